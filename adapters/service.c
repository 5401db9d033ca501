/*
 * Requests that are passed through: what of them the gateway acts on, whether
 * they are JSON or a form, and the model's name replaced.
 */
#include "adapters/service.h"

#include "adapters/ask.h"
#include "adapters/sound.h"
#include "adapters/talk.h"
#include "adapters/tokens.h"

#define IMAGES_MAX 128u
/* A second of sound in tokens. */
#define TOKENS_PER_SECOND 10u
/* A search of a rerank is a query with so many documents; long ones count
 * once more for each so many bytes. */
#define SEARCH_DOCUMENTS 100u
#define DOCUMENT_BYTES	 1000u

const struct service service_images = {.path = "/v1/images/generations",
				       .counts = COUNTS_IMAGES,
				       .json = true,
				       .events = true};
const struct service service_image_edits = {.path = "/v1/images/edits",
					    .counts = COUNTS_IMAGES,
					    .json = true,
					    .form = true,
					    .events = true};
const struct service service_image_variations = {
	.path = "/v1/images/variations", .counts = COUNTS_IMAGES, .form = true};
const struct service service_transcriptions = {.path = "/v1/audio/"
						       "transcriptions",
					       .counts = COUNTS_SOUND,
					       .form = true,
					       .any = true,
					       .events = true};
const struct service service_translations = {.path = "/v1/audio/translations",
					     .counts = COUNTS_SOUND,
					     .form = true,
					     .any = true};
const struct service service_speech = {.path = "/v1/audio/speech",
				       .counts = COUNTS_CHARACTERS,
				       .json = true,
				       .any = true,
				       .events = true};
const struct service service_moderations = {.path = "/v1/moderations",
					    .json = true};
const struct service service_rerank = {
	.path = "/v1/rerank", .counts = COUNTS_SEARCHES, .json = true};
const struct service service_rerank_v2 = {
	.path = "/v2/rerank", .counts = COUNTS_SEARCHES, .json = true};

struct str
service_path(const struct service *s, bool version)
{
	return str_from(str_of(s->path), version ? sizeof("/v1") - 1 : 0);
}

/* ---- pictures ---- */

/* What gpt-image-1 counts for a square picture, and for the largest. */
static const struct {
	const char *name;
	uint32_t likely, most;
} qualities[] = {
	{"auto", 1056, 6240},
	{"low", 272, 408},
	{"medium", 1056, 1584},
	{"high", 4160, 6240},
};

static void
read_quality(struct ask *ask, struct str name)
{
	for (unsigned i = 0; i < ARRAY_LEN(qualities); i++)
		if (str_eq(name, str_of(qualities[i].name)))
			ask->quality = (uint8_t)i;
}

uint64_t
service_image_tokens(const struct ask *ask, bool most)
{
	return most ? qualities[ask->quality].most
		    : qualities[ask->quality].likely;
}

/* ---- fields ---- */

static bool
is_text_format(struct str name)
{
	return str_eq(name, STR("text")) || str_eq(name, STR("srt")) ||
	       str_eq(name, STR("vtt"));
}

static enum err
read_images(struct ask *ask, uint64_t n)
{
	if (n < 1 || n > IMAGES_MAX)
		return E_BAD_FIELD;
	ask->choices = (uint32_t)n;
	return E_OK;
}

/* ---- JSON ---- */

enum {
	F_MODEL,
	F_N,
	F_STREAM,
	F_STREAM_FORMAT,
	F_QUALITY,
	F_INPUT,
	F_PROMPT,
	F_QUERY,
	F_DOCUMENTS,
	F_IMAGES,
	FIELDS
};
static const char *const fields[FIELDS] = {
	"model", "n",	   "stream", "stream_format", "quality",
	"input", "prompt", "query",  "documents",     "images"};

/* Code points, as the upstream counts them. */
static enum err
count_characters(struct ask *ask, struct json_value text, const char **detail)
{
	CLEANUP(buf_free) struct buf plain = BUF_INIT;
	uint64_t n = 0;

	*detail = "input";
	if (ask_absent(text))
		return E_MISSING_FIELD;
	if (!json_unescape(text, &plain))
		return E_BAD_FIELD;
	for (size_t i = 0; i < plain.n; i++)
		n += ((unsigned char)plain.p[i] & 0xc0) != 0x80;
	if (n > UNITS_MAX)
		return E_BAD_FIELD;
	ask->units_most = units_of(UNIT_CHARACTER, n);
	ask->units_likely = ask->units_most;
	return E_OK;
}

static void
count_searches(struct ask *ask, struct json_value documents)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	uint64_t n = documents.raw.n / DOCUMENT_BYTES;

	if (documents.type == JSON_ARRAY && json_iter_init(&it, documents))
		while (json_iter_next(&it, &name, &v))
			n++;
	ask->units_most = units_of(UNIT_SEARCH, n / SEARCH_DOCUMENTS + 1);
	ask->units_likely = units_of(UNIT_SEARCH, 1);
}

static enum err
count_json(struct ask *ask, const struct json_value *v, const char **detail)
{
	switch (ask->service->counts) {
	case COUNTS_IMAGES:
		ask->input = v[F_PROMPT];
		ask->more[0] = v[F_IMAGES];
		ask->units_most = units_of(UNIT_IMAGE, ask->choices);
		ask->units_likely = ask->units_most;
		break;
	case COUNTS_CHARACTERS:
		ask->input = v[F_INPUT];
		return count_characters(ask, v[F_INPUT], detail);
	case COUNTS_SEARCHES:
		ask->input = v[F_DOCUMENTS];
		ask->more[0] = v[F_QUERY];
		count_searches(ask, v[F_DOCUMENTS]);
		break;
	case COUNTS_NOTHING: ask->input = v[F_INPUT]; break;
	case COUNTS_SOUND: break;
	}
	return E_OK;
}

/* Both ways to ask for events. */
static enum err
read_stream(struct ask *ask, const struct json_value *v, const char **detail)
{
	bool stream = false;
	enum err e;

	*detail = "stream";
	e = ask_flag(v[F_STREAM], &stream);
	if (e == E_OK && stream && !ask->service->events)
		e = E_BAD_FIELD;
	ask->events =
		stream || (v[F_STREAM_FORMAT].type == JSON_STRING &&
			   json_str_eq(v[F_STREAM_FORMAT].raw, STR("sse")));
	return e;
}

enum err
service_parse(struct arena *a, struct ask *ask, const char **detail)
{
	struct json_value v[FIELDS];
	struct json_error fault;
	uint64_t n = 1;
	enum err e;

	ask->choices = 1;
	if (!json_members(ask->body, fields, FIELDS, v, &fault))
		return ask_fault(a, &fault, detail);
	*detail = "model";
	e = ask_model(a, ask, v[F_MODEL]);
	if (e == E_OK)
		e = read_stream(ask, v, detail);
	if (e == E_OK && ask->service->counts == COUNTS_IMAGES &&
	    !ask_absent(v[F_N])) {
		*detail = "n";
		if (!json_u64(v[F_N], &n))
			n = 0;
		e = read_images(ask, n);
	}
	if (e != E_OK)
		return e;
	if (v[F_QUALITY].type == JSON_STRING)
		read_quality(ask, json_inside(v[F_QUALITY]));
	ask->stream = ask->events;
	return count_json(ask, v, detail);
}

/* ---- forms ---- */

static enum err
form_model(struct arena *a, struct ask *ask, struct str value)
{

	ask->model_value = (struct json_value){JSON_STRING, value};
	if (value.n == 0 || value.n > 510)
		return E_BAD_FIELD;
	ask->model = arena_dup(a, value);
	return ask->model.p ? E_OK : E_NO_MEMORY;
}

static enum err
form_flag(struct ask *ask, struct str value)
{
	ask->events = str_ieq(value, STR("true")) || str_eq(value, STR("1"));
	ask->stream = ask->events;
	if (ask->events)
		return ask->service->events ? E_OK : E_BAD_FIELD;
	return str_ieq(value, STR("false")) || str_eq(value, STR("0"))
		       ? E_OK
		       : E_BAD_FIELD;
}

enum {
	FORM_MODEL,
	FORM_N,
	FORM_STREAM,
	FORM_FORMAT,
	FORM_QUALITY,
	FORM_PROMPT,
	FORM_FIELDS
};

static enum err
read_form_field(struct arena *a, struct ask *ask, unsigned field,
		struct str value)
{
	uint64_t n = 0;

	switch (field) {
	case FORM_MODEL: return form_model(a, ask, value);
	case FORM_N:
		if (ask->service->counts != COUNTS_IMAGES)
			return E_OK;
		if (!str_to_u64(value, &n))
			n = 0;
		return read_images(ask, n);
	case FORM_STREAM: return form_flag(ask, value);
	case FORM_FORMAT: ask->plain = is_text_format(value); return E_OK;
	case FORM_QUALITY: read_quality(ask, value); return E_OK;
	default: ask->form_bytes += value.n; return E_OK;
	}
}

static const char *const form_names[FORM_FIELDS] = {
	"model", "n", "stream", "response_format", "quality", "prompt"};

static unsigned
form_field(struct str name)
{
	unsigned i = 0;

	while (i < FORM_FIELDS && !str_eq(name, str_of(form_names[i])))
		i++;
	return i;
}

bool
service_knows(struct str name, const char **known)
{
	unsigned i = form_field(name);

	if (i < FORM_FIELDS)
		*known = form_names[i];
	return i < FORM_FIELDS;
}

enum err
service_field(struct arena *a, struct ask *ask, struct str name,
	      struct str value, const char **detail)
{
	unsigned i = form_field(name);

	if (i == FORM_FIELDS)
		return E_OK;
	*detail = form_names[i];
	if (ask->seen & 1u << i)
		return E_DUPLICATE_FIELD;
	ask->seen |= (uint8_t)(1u << i);
	return read_form_field(a, ask, i, value);
}

void
service_file(struct ask *ask, struct str content)
{
	struct sound s;

	ask->files++;
	if (ask->service->counts != COUNTS_SOUND)
		return;
	s = sound_of(content);
	s.most_ms += units_count(ask->units_most);
	s.likely_ms += units_count(ask->units_likely);
	ask->units_most = units_of(UNIT_MILLISECOND, MAX_OF(s.most_ms, 1u));
	ask->units_likely = units_of(UNIT_MILLISECOND, MAX_OF(s.likely_ms, 1u));
}

enum err
service_fields_end(struct ask *ask, const char **detail)
{
	*detail = "model";
	if (!ask->model_value.raw.p)
		return E_MISSING_FIELD;
	*detail = ask->service->counts == COUNTS_SOUND ? "file" : "image";
	if (ask->files == 0)
		return E_MISSING_FIELD;
	if (ask->service->counts != COUNTS_IMAGES)
		return units_count(ask->units_most) < UNITS_MAX ? E_OK
								: E_BAD_FIELD;
	ask->units_most = units_of(UNIT_IMAGE, ask->choices);
	ask->units_likely = ask->units_most;
	return E_OK;
}

/* ---- estimates, the body ---- */

uint64_t
service_input(const struct ask *ask, uint32_t bytes_per_token_milli, bool most)
{
	uint32_t units = most ? ask->units_most : ask->units_likely;
	uint64_t n;

	if (!ask->form)
		return tokens_of_input(ask, bytes_per_token_milli);
	n = tokens_of_bytes(ask->form_bytes, bytes_per_token_milli);
	if (ask->service->counts == COUNTS_SOUND)
		return n + ((uint64_t)units_count(units) * TOKENS_PER_SECOND +
			    999) / 1000;
	return n + (uint64_t)ask->files * TOKENS_PER_FILE;
}

void
service_patch(const struct ask *ask, struct str model, struct str model_json,
	      struct pieces *out)
{
	struct str body = ask->body, was = ask->model_value.raw;
	size_t at = (size_t)(was.p - body.p);

	out->n = 0;
	out->bytes = 0;
	pieces_add(out, str_make(body.p, at));
	pieces_add(out, ask->form ? model : model_json);
	pieces_add(out, str_from(body, at + was.n));
}
