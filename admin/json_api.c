/*
 * JSON bodies: one becomes a struct form here, every member checked by the
 * table of its page. The only file that knows jansson.
 */
#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include "admin/form.h"
#include "base/clock.h"
#include "base/utf8.h"

static void
cleanup_json(json_t **j)
{
	json_decref(*j);
}

static struct str
text_of(const json_t *v)
{
	return json_is_string(v)
		       ? str_make(json_string_value(v), json_string_length(v))
		       : STR_NONE;
}

/* One line of text: no control characters. */
static bool
is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.p && utf8_valid(s);
}

static bool
is_name(struct str s)
{
	static const char marks[] = "._@:+-";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || c == '\0' || !strchr(marks, c)))
			return false;
	}
	return s.n > 0;
}

/* ---- one member into its place; false: not of this type ---- */

static bool
take_text(const json_t *v, bool name, char *out, size_t cap)
{
	struct str s = text_of(v);

	return (name ? is_name(s) : is_line(s)) && s.n < cap &&
	       str_copy(out, cap, s);
}

static bool
take_money(const json_t *v, void *at)
{
	struct money m;

	if (!json_is_string(v) || !money_parse(text_of(v), &m) || m.nano < 0)
		return false;
	memcpy(at, &m, sizeof(m));
	return true;
}

static bool
take_signed(const json_t *v, void *at)
{
	struct money m;

	if (!json_is_string(v) || !money_parse(text_of(v), &m) || m.nano == 0 ||
	    m.nano == INT64_MIN)
		return false;
	memcpy(at, &m, sizeof(m));
	return true;
}

/* "12.5" becomes 125000 ppm. */
static bool
take_percent(const json_t *v, void *at)
{
	const int64_t each = 100000; /* nano of a number in a ppm of 100 */
	struct money m;
	uint32_t ppm;

	if (!json_is_string(v) || !money_parse(text_of(v), &m) || m.nano < 0 ||
	    m.nano > PPM_ONE * each || m.nano % each != 0)
		return false;
	ppm = (uint32_t)(m.nano / each);
	memcpy(at, &ppm, sizeof(ppm));
	return true;
}

static bool
take_count(const json_t *v, void *at)
{
	json_int_t n = json_integer_value(v);
	uint32_t value = (uint32_t)n;

	if (!json_is_integer(v) || n < 0 || n > INT32_MAX)
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool
take_seq(const json_t *v, void *at)
{
	uint64_t n = (uint64_t)json_integer_value(v);

	if (!json_is_integer(v) || json_integer_value(v) <= 0)
		return false;
	memcpy(at, &n, sizeof(n));
	return true;
}

static bool
take_bool(const json_t *v, void *at)
{
	uint32_t value = json_is_true(v);

	if (!json_is_boolean(v))
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool
take_time(const json_t *v, void *at)
{
	uint64_t ns, ms;

	if (!json_is_string(v) || !time_parse(text_of(v), &ns) ||
	    ns <= clock_wall_ns())
		return false;
	ms = ns / NS_PER_MS;
	memcpy(at, &ms, sizeof(ms));
	return true;
}

static bool
take_list(const json_t *v, char *out, size_t cap)
{
	size_t n = 0;

	if (!json_is_array(v))
		return false;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct str s = text_of(json_array_get(v, i));

		if (s.n == 0 || !is_line(s) || str_find(s, ',') >= 0 ||
		    str_find(s, ' ') >= 0 || n + s.n + 2 > cap)
			return false;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	out[n] = '\0';
	return true;
}

static bool
member_take(const struct member *m, const json_t *v, struct form *form)
{
	char *at = (char *)form + m->offset;

	switch (m->type) {
	case MEMBER_NAME: return take_text(v, true, at, m->size);
	case MEMBER_TEXT: return take_text(v, false, at, m->size);
	case MEMBER_MONEY: return take_money(v, at);
	case MEMBER_COUNT: return take_count(v, at);
	case MEMBER_BOOL: return take_bool(v, at);
	case MEMBER_SEQ: return take_seq(v, at);
	case MEMBER_LIST: return take_list(v, at, m->size);
	case MEMBER_TIME: return take_time(v, at);
	case MEMBER_SIGNED: return take_signed(v, at);
	case MEMBER_PERCENT: return take_percent(v, at);
	}
	return false;
}

static const char *
member_wants(enum member_type t)
{
	switch (t) {
	case MEMBER_NAME:
		return "1 to 63 letters, digits or . _ @ : + -, the first a "
		       "letter or digit";
	case MEMBER_TEXT: return "text of one line, not too long";
	case MEMBER_MONEY:
		return "USD as decimal text with at most 9 digits after the "
		       "point, like \"12.50\", and not negative";
	case MEMBER_COUNT: return "a whole number from 0 to 2147483647";
	case MEMBER_BOOL: return "true or false";
	case MEMBER_SEQ: return "the number of a ledger entry";
	case MEMBER_LIST:
		return "a list of texts without commas and blanks, not too "
		       "long together";
	case MEMBER_TIME:
		return "a time in the future like \"2030-01-31T00:00:00Z\"";
	case MEMBER_SIGNED:
		return "USD as decimal text with at most 9 digits after the "
		       "point, like \"-0.50\", and not zero";
	case MEMBER_PERCENT:
		return "a percentage from \"0\" to \"100\", with at most 4 "
		       "digits after the point";
	}
	return "text";
}

/* ---- a body ---- */

static const struct member *
member_find(const struct member *members, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

/* NULL: answered. */
static json_t *
body_load(struct page *p, struct str body)
{
	json_error_t error;
	json_t *root;

	if (body.n == 0) {
		page_error(p, 400, "missing_body",
			   "Send one JSON object as the body.");
		return NULL;
	}
	root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		page_error(p, 400, "malformed_json",
			   "The body is not valid JSON: %s at line %d.",
			   error.text, error.line);
		return NULL;
	}
	if (json_is_object(root))
		return root;
	json_decref(root);
	page_error(p, 400, "malformed_json",
		   "The body must be one JSON object.");
	return NULL;
}

/* All members into the form; false: answered. */
static bool
members_take(struct page *p, json_t *root, const struct member *members,
	     unsigned n, struct form *form)
{
	const char *name;
	json_t *v;

	json_object_foreach(root, name, v)
	{
		const struct member *m = member_find(members, n, name);

		if (!m) {
			page_error(p, 400, "unknown_field",
				   "The field '%s' is not known here. GET "
				   "/openapi.yaml lists the fields.",
				   name);
			return false;
		}
		if (!json_is_null(v) && !member_take(m, v, form)) {
			page_error(p, 400, "invalid_field",
				   "The field '%s' must be %s.", name,
				   member_wants(m->type));
			return false;
		}
		form->order.set |= json_is_null(v) ? 0 : m->set;
	}
	for (unsigned i = 0; i < n; i++) {
		v = json_object_get(root, members[i].name);
		if (!members[i].required || (v && !json_is_null(v)))
			continue;
		page_error(p, 400, "missing_field",
			   "The field '%s' is required.", members[i].name);
		return false;
	}
	return true;
}

bool
form_take(struct page *p, struct str body, const struct member *members,
	  unsigned n, struct form *form)
{
	CLEANUP(cleanup_json) json_t *root = NULL;

	memset(form, 0, sizeof(*form));
	root = body_load(p, body);
	return root && members_take(p, root, members, n, form);
}
