/*
 * Gemini's JSON: each name may come as "topK" or as "top_k", a list of one
 * without its brackets, and schemas in the words of OpenAPI. Pure.
 */
#include "adapters/gemini.h"

/* ---- names and lists ---- */

const struct name_rule gemini_names = {.marks = "_-.", .first = "_", .max = 64};

/* "topK" as "top_k". */
static struct str
snake(const char *name, char room[64])
{
	size_t n = 0;

	for (; *name && n < 62; name++) {
		if (*name >= 'A' && *name <= 'Z') {
			room[n++] = '_';
			room[n++] = (char)(*name + ('a' - 'A'));
		} else {
			room[n++] = *name;
		}
	}
	return str_make(room, n);
}

bool
gemini_name(struct str raw, const char *name)
{
	char room[64];

	return json_str_eq(raw, str_of(name)) ||
	       json_str_eq(raw, snake(name, room));
}

static unsigned
find_name(struct str raw, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (gemini_name(raw, names[i]))
			return i;
	return n;
}

bool
gemini_pick(struct json_value object, const char *const *names, unsigned n,
	    struct json_value *values, struct str *odd)
{
	struct json_iter it;
	struct json_value v;
	struct str name, inside;
	unsigned i;

	for (i = 0; i < n; i++)
		values[i] = (struct json_value){JSON_ABSENT, STR_NONE};
	*odd = STR_NONE;
	if (object.type != JSON_OBJECT || !json_iter_init(&it, object))
		return true;
	while (json_iter_next(&it, &name, &v)) {
		i = find_name(name, names, n);
		inside = str_make(name.p + 1, name.n - 2);
		if (i < n && values[i].type != JSON_ABSENT) {
			*odd = inside;
			return false;
		}
		if (i < n && v.type != JSON_NULL)
			values[i] = v;
		else if (i == n && odd->n == 0)
			*odd = inside;
	}
	return true;
}

struct gemini_list
gemini_list(struct json_value v)
{
	struct gemini_list l = {.array = false};

	if (v.type == JSON_ARRAY)
		l.array = json_iter_init(&l.it, v);
	else if (v.type != JSON_NULL)
		l.one = v;
	return l;
}

bool
gemini_list_next(struct gemini_list *l, struct json_value *v)
{
	struct str name;

	if (l->array)
		return json_iter_next(&l->it, &name, v);
	*v = l->one;
	l->one = (struct json_value){JSON_ABSENT, STR_NONE};
	return v->type != JSON_ABSENT;
}

struct str
gemini_quoted(struct arena *a, struct str text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	json_put_str(&o, text);
	if (out.failed)
		return STR_NONE;
	return arena_dup(a, str_make(out.p + 1, out.n - 2));
}

unsigned
gemini_generation(struct str model)
{
	ptrdiff_t at = str_search(model, STR("gemini-"));
	unsigned n = 0;

	if (at < 0)
		return 0;
	model = str_from(model, (size_t)at + sizeof("gemini-") - 1);
	for (size_t i = 0; i < model.n && i < 4; i++) {
		if (model.p[i] < '0' || model.p[i] > '9')
			break;
		n = n * 10 + (unsigned)(model.p[i] - '0');
	}
	return n;
}

/* ---- schemas ---- */

/* What becomes of a member of a schema. */
enum schema_kind {
	SCHEMA_TYPE,   /* "STRING" -> "string" */
	SCHEMA_DROP,   /* says nothing in JSON Schema */
	SCHEMA_ONE,    /* a schema */
	SCHEMA_MANY,   /* schemas by name */
	SCHEMA_LIST,   /* a list of schemas */
	SCHEMA_NUMBER, /* "3" -> 3 */
	SCHEMA_ENUM,
	SCHEMA_FORMAT,
};

static const struct {
	const char *name;
	enum schema_kind kind;
} schema_members[] = {
	{"type", SCHEMA_TYPE},
	{"nullable", SCHEMA_DROP},
	{"propertyOrdering", SCHEMA_DROP},
	{"example", SCHEMA_DROP},
	{"properties", SCHEMA_MANY},
	{"$defs", SCHEMA_MANY},
	{"defs", SCHEMA_MANY},
	{"items", SCHEMA_ONE},
	{"additionalProperties", SCHEMA_ONE},
	{"anyOf", SCHEMA_LIST},
	{"oneOf", SCHEMA_LIST},
	{"allOf", SCHEMA_LIST},
	{"prefixItems", SCHEMA_LIST},
	{"minItems", SCHEMA_NUMBER},
	{"maxItems", SCHEMA_NUMBER},
	{"minLength", SCHEMA_NUMBER},
	{"maxLength", SCHEMA_NUMBER},
	{"minProperties", SCHEMA_NUMBER},
	{"maxProperties", SCHEMA_NUMBER},
	{"enum", SCHEMA_ENUM},
	{"format", SCHEMA_FORMAT},
};

struct schema {
	bool nullable;
	bool typed;
};

static void put_schema(struct json_out *o, struct json_value v);

/* A raw name, quotes included. */
static void
put_name(struct json_out *o, struct str name)
{
	json_put_raw(o, name);
	buf_add_char(o->buf, ':');
	o->comma = false;
}

static void
put_type(struct json_out *o, struct json_value v, const struct schema *s)
{
	char text[16];
	size_t n;

	if (v.type != JSON_STRING || v.raw.n - 2 > sizeof(text)) {
		json_put_raw(o, v.raw);
		return;
	}
	n = v.raw.n - 2;
	for (size_t i = 0; i < n; i++) {
		char c = v.raw.p[i + 1];

		text[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	if (s->nullable)
		json_open(o, '[');
	json_put_raw(o, STR("\""));
	buf_add(o->buf, text, n);
	buf_add_char(o->buf, '"');
	if (s->nullable) {
		json_put_str(o, STR("null"));
		json_close(o, ']');
	}
}

static void
put_schemas(struct json_out *o, struct json_value v, const char *also)
{
	bool object = v.type == JSON_OBJECT;
	struct json_iter it;
	struct json_value one;
	struct str name;

	if (!json_iter_init(&it, v)) {
		json_put_raw(o, v.raw);
		return;
	}
	json_open(o, object ? '{' : '[');
	while (json_iter_next(&it, &name, &one)) {
		if (object)
			put_name(o, name);
		put_schema(o, one);
	}
	if (also && !object)
		json_put_raw(o, str_of(also));
	json_close(o, object ? '}' : ']');
}

/* 64 bit numbers stand in quotes at Google. */
static void
put_number(struct json_out *o, struct json_value v)
{
	struct str inside = json_inside(v);
	uint64_t n;

	json_put_raw(o, str_to_u64(inside, &n) ? inside : v.raw);
}

static void
put_enum(struct json_out *o, struct json_value v, const struct schema *s)
{
	struct json_iter it;
	struct json_value one;
	struct str name;

	if (!s->nullable || v.type != JSON_ARRAY || !json_iter_init(&it, v)) {
		json_put_raw(o, v.raw);
		return;
	}
	json_open(o, '[');
	while (json_iter_next(&it, &name, &one))
		json_put_raw(o, one.raw);
	json_put_null(o);
	json_close(o, ']');
}

static bool
says_nothing(enum schema_kind kind, struct json_value v)
{
	return kind == SCHEMA_DROP ||
	       (kind == SCHEMA_TYPE &&
		json_str_eq(v.raw, STR("TYPE_UNSPECIFIED"))) ||
	       (kind == SCHEMA_FORMAT && json_str_eq(v.raw, STR("enum")));
}

static void
put_known(struct json_out *o, unsigned i, struct json_value v,
	  const struct schema *s)
{
	bool any = strcmp(schema_members[i].name, "anyOf") == 0;

	if (says_nothing(schema_members[i].kind, v))
		return;
	json_name(o, schema_members[i].name);
	switch (schema_members[i].kind) {
	case SCHEMA_TYPE: put_type(o, v, s); break;
	case SCHEMA_ONE: put_schema(o, v); break;
	case SCHEMA_MANY: put_schemas(o, v, NULL); break;
	case SCHEMA_LIST:
		put_schemas(o, v,
			    any && s->nullable && !s->typed
				    ? "{\"type\":\"null\"}"
				    : NULL);
		break;
	case SCHEMA_NUMBER: put_number(o, v); break;
	case SCHEMA_ENUM: put_enum(o, v, s); break;
	case SCHEMA_FORMAT:
	case SCHEMA_DROP: json_put_raw(o, v.raw); break;
	}
}

/* As deep as the JSON reader lets anything be, no deeper. */
static void
put_schema(struct json_out *o, struct json_value v)
{
	struct schema s = {.nullable =
				   json_get(v, "nullable").type == JSON_TRUE,
			   .typed = json_get(v, "type").type == JSON_STRING};
	struct json_iter it;
	struct json_value member;
	struct str name;
	unsigned i;

	if (v.type != JSON_OBJECT || !json_iter_init(&it, v)) {
		json_put_raw(o, v.raw);
		return;
	}
	json_open(o, '{');
	while (json_iter_next(&it, &name, &member)) {
		for (i = 0; i < ARRAY_LEN(schema_members); i++)
			if (gemini_name(name, schema_members[i].name))
				break;
		if (i < ARRAY_LEN(schema_members)) {
			put_known(o, i, member, &s);
		} else {
			put_name(o, name);
			json_put_raw(o, member.raw);
		}
	}
	json_close(o, '}');
}

struct json_value
gemini_schema(struct arena *a, struct json_value schema)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_value made = {JSON_ABSENT, STR_NONE};
	struct json_out o;

	json_out_init(&o, &out);
	put_schema(&o, schema);
	if (out.failed)
		return made;
	made.raw = arena_dup(a, buf_str(&out));
	if (made.raw.p)
		made.type = schema.type;
	return made;
}
