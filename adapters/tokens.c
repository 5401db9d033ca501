/*
 * Estimates. The hard part is not to count the bytes of an embedded picture
 * as text: a data URL of 1 MB is not 250 000 tokens.
 */
#include "adapters/tokens.h"

/* Below this a data URL cannot distort a hold by much: no walk. */
#define WALK_FROM  (8 * 1024)
#define WALK_DEPTH 12

uint64_t
tokens_of_bytes(uint64_t bytes, uint32_t milli)
{
	uint64_t m = milli ? milli : 4000;

	if (bytes > UINT64_MAX / 1000 - m)
		return UINT64_MAX / 1000 / m;
	return (bytes * 1000 + m - 1) / m;
}

struct walk {
	uint64_t text_bytes;
	uint64_t files;
};

static bool
is_data_url(struct str raw)
{
	return str_starts(raw, STR("\"data:"));
}

/* Base64 members of parts: input_audio.data, file.file_data. */
static bool
is_file_member(struct str name)
{
	return str_eq(name, STR("\"data\"")) ||
	       str_eq(name, STR("\"file_data\""));
}

static void
walk_string(struct walk *w, struct str name, struct json_value v)
{
	if (is_data_url(v.raw) || (is_file_member(name) && v.raw.n > 1024))
		w->files++;
	else
		w->text_bytes += v.raw.n - 2;
}

static void
walk_value(struct walk *w, struct str name, struct json_value v, int depth)
{
	struct json_iter it;
	struct json_value child;
	struct str child_name = STR_NONE;

	if (v.type == JSON_STRING) {
		walk_string(w, name, v);
		return;
	}
	if (depth == 0 || !json_iter_init(&it, v)) {
		w->text_bytes += v.raw.n;
		return;
	}
	while (json_iter_next(&it, &child_name, &child))
		walk_value(w, child_name, child, depth - 1);
}

uint64_t
tokens_of_input(const struct ask *ask, uint32_t milli)
{
	struct walk w = {0};

	if (ask->input.raw.n < WALK_FROM)
		return tokens_of_bytes(ask->input.raw.n, milli);
	walk_value(&w, STR_NONE, ask->input, WALK_DEPTH);
	return tokens_of_bytes(w.text_bytes, milli) + w.files * TOKENS_PER_FILE;
}
