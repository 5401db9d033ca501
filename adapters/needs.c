/* The body was validated by parse(): here it is only walked. */
#include "adapters/needs.h"

#include "base/json.h"

/* Results of tools hold parts themselves; nothing is deeper. */
#define DEPTH_MAX 2

static bool
is_word(struct json_value v, const char *word)
{
	return v.type == JSON_STRING && json_str_eq(v.raw, str_of(word));
}

static bool
is_filled(struct json_value v)
{
	struct json_iter it;
	struct json_value first;
	struct str name;

	return json_iter_init(&it, v) && json_iter_next(&it, &name, &first);
}

static const struct kind {
	const char *type;
	unsigned need;
} kinds[] = {
	{"image_url", NEED_VISION}, {"input_image", NEED_VISION},
	{"image", NEED_VISION},	    {"input_audio", NEED_AUDIO},
	{"audio", NEED_AUDIO},	    {"file", NEED_FILE},
	{"input_file", NEED_FILE},  {"document", NEED_FILE},
};

static unsigned
need_of_type(struct json_value type)
{
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
		if (is_word(type, kinds[i].type))
			return kinds[i].need;
	return 0;
}

/* Gemini's data say of what type they are. */
static unsigned
need_of_mime(struct json_value blob)
{
	static const char *const names[] = {"mimeType", "mime_type"};
	struct json_value v[2];
	struct str mime;

	if (blob.type != JSON_OBJECT)
		return 0;
	json_pick(blob, names, 2, v);
	mime = v[0].type == JSON_STRING ? v[0].raw : v[1].raw;
	if (str_starts(mime, STR("\"image/")))
		return NEED_VISION;
	return str_starts(mime, STR("\"audio/")) ? NEED_AUDIO : NEED_FILE;
}

static unsigned needs_of_parts(struct json_value parts, unsigned depth);

static unsigned
needs_of_part(struct json_value part, unsigned depth)
{
	enum {
		TYPE,
		CONTENT,
		BLOB,
		BLOB_SNAKE,
		FILE_DATA,
		FILE_SNAKE,
		MEMBERS
	};
	static const char *const names[MEMBERS] = {"type",	 "content",
						   "inlineData", "inline_data",
						   "fileData",	 "file_data"};
	struct json_value v[MEMBERS];
	unsigned needs;

	if (part.type != JSON_OBJECT)
		return 0;
	json_pick(part, names, MEMBERS, v);
	needs = need_of_type(v[TYPE]);
	for (unsigned i = BLOB; i < MEMBERS; i++)
		needs |= need_of_mime(v[i]);
	return needs | needs_of_parts(v[CONTENT], depth + 1);
}

static unsigned
needs_of_parts(struct json_value parts, unsigned depth)
{
	struct json_iter it;
	struct json_value part;
	struct str name;
	unsigned needs = 0;

	if (parts.type != JSON_ARRAY || depth > DEPTH_MAX ||
	    !json_iter_init(&it, parts))
		return 0;
	while (json_iter_next(&it, &name, &part))
		needs |= needs_of_part(part, depth);
	return needs;
}

/* A message, or an item of the Responses API. */
static unsigned
needs_of_message(struct json_value message)
{
	static const char *const names[] = {"content", "parts", "output"};
	struct json_value v[ARRAY_LEN(names)];
	unsigned needs = 0;

	if (message.type != JSON_OBJECT)
		return 0;
	json_pick(message, names, ARRAY_LEN(names), v);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		needs |= needs_of_parts(v[i], 1);
	return needs;
}

static unsigned
needs_of_input(struct json_value input)
{
	struct json_iter it;
	struct json_value message;
	struct str name;
	unsigned needs = 0;

	if (input.type == JSON_OBJECT) /* Gemini: one content */
		return needs_of_message(input);
	if (input.type != JSON_ARRAY || !json_iter_init(&it, input))
		return 0;
	while (json_iter_next(&it, &name, &message))
		needs |= needs_of_message(message);
	return needs;
}

/* { "type": "json_schema", ... } */
static bool
is_schema(struct json_value format)
{
	return format.type == JSON_OBJECT &&
	       is_word(json_get(format, "type"), "json_schema");
}

static bool
has_schema(struct json_value config)
{
	static const char *const names[] = {
		"responseSchema", "responseJsonSchema", "response_schema",
		"response_json_schema"};
	struct json_value v[ARRAY_LEN(names)];

	if (config.type != JSON_OBJECT)
		return false;
	json_pick(config, names, ARRAY_LEN(names), v);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (v[i].type == JSON_OBJECT)
			return true;
	return false;
}

static bool
has_audio(struct json_value modalities)
{
	struct json_iter it;
	struct json_value one;
	struct str name;

	if (modalities.type != JSON_ARRAY || !json_iter_init(&it, modalities))
		return false;
	while (json_iter_next(&it, &name, &one))
		if (is_word(one, "audio") || is_word(one, "AUDIO"))
			return true;
	return false;
}

static struct json_value
inside(struct json_value v, const char *name)
{
	return v.type == JSON_OBJECT ? json_get(v, name)
				     : (struct json_value){JSON_ABSENT, {0}};
}

enum {
	TOOLS,
	FUNCTIONS,
	RESPONSE_FORMAT,
	OUTPUT_FORMAT,
	OUTPUT_CONFIG,
	TEXT,
	CONFIG,
	CONFIG_SNAKE,
	MODALITIES,
	FIELDS
};
static const char *const fields[FIELDS] = {
	"tools",	 "functions", "response_format",  "output_format",
	"output_config", "text",      "generationConfig", "generation_config",
	"modalities"};

unsigned
ask_needs(const struct ask *ask)
{
	struct json_value body = {JSON_OBJECT, str_trim(ask->body)};
	struct json_value v[FIELDS];
	unsigned needs;

	if (ask->kind != ASK_CHAT && ask->kind != ASK_COUNT)
		return 0;
	json_pick(body, fields, FIELDS, v);
	needs = needs_of_input(ask->input);
	if (is_filled(v[TOOLS]) || is_filled(v[FUNCTIONS]))
		needs |= NEED_TOOLS;
	if (is_schema(v[RESPONSE_FORMAT]) || is_schema(v[OUTPUT_FORMAT]) ||
	    is_schema(inside(v[OUTPUT_CONFIG], "format")) ||
	    is_schema(inside(v[TEXT], "format")) || has_schema(v[CONFIG]) ||
	    has_schema(v[CONFIG_SNAKE]))
		needs |= NEED_JSON_SCHEMA;
	if (has_audio(v[MODALITIES]) ||
	    has_audio(inside(v[CONFIG], "responseModalities")))
		needs |= NEED_AUDIO;
	return needs;
}
