/*
 * Estimates. The hard part is not to count the bytes of an embedded picture
 * as text: a data URL of 1 MB is not 250 000 tokens.
 */
#include "adapters/tokens.h"

#include "base/json_skip.h"

/* Below this a data URL cannot distort a hold by much: no walk. */
#define WALK_FROM (8 * 1024)

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
walk_string(struct walk *w, struct str name, struct str raw)
{
	if (is_data_url(raw) || (is_file_member(name) && raw.n > 1024))
		w->files++;
	else
		w->text_bytes += raw.n - 2;
}

static bool
is_structure(char c)
{
	return c <= ' ' || c == ',' || c == ':' || c == '[' || c == ']' ||
	       c == '{' || c == '}';
}

static bool
colon_follows(struct str rest)
{
	while (rest.n > 0 && (unsigned char)rest.p[0] <= ' ')
		rest = str_make(rest.p + 1, rest.n - 1);
	return rest.n > 0 && rest.p[0] == ':';
}

/* One pass over validated JSON, whatever its depth: strings that are values
 * count, names and structure do not. */
static void
walk_text(struct walk *w, struct str text)
{
	const char *at = text.p, *end = text.p + text.n;
	struct str name = STR_NONE;

	while (at < end) {
		struct json_skip r;
		const char *quote;
		struct str raw;

		if (*at != '"') {
			if (*at == '[') /* no name of what it holds */
				name = STR_NONE;
			w->text_bytes += !is_structure(*at++);
			continue;
		}
		quote = json_skip_string(at + 1, end, &r);
		if (quote == NULL)
			return;
		raw = str_make(at, (size_t)(quote + 1 - at));
		at = quote + 1;
		if (colon_follows(str_make(at, (size_t)(end - at))))
			name = raw;
		else
			walk_string(w, name, raw);
	}
}

static void
walk_value(struct walk *w, struct str text)
{
	if (text.n < WALK_FROM)
		w->text_bytes += text.n;
	else
		walk_text(w, text);
}

uint64_t
tokens_of_input(const struct ask *ask, uint32_t milli)
{
	struct walk w = {0};

	if (ask->text_bytes > 0)
		return tokens_of_bytes(ask->text_bytes, milli);
	walk_value(&w, ask->input.raw);
	for (unsigned i = 0; i < ARRAY_LEN(ask->more); i++)
		walk_value(&w, ask->more[i].raw);
	return tokens_of_bytes(w.text_bytes, milli) + w.files * TOKENS_PER_FILE;
}
