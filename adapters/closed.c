/*
 * Closed schemas. What providers call structured output describes every
 * member; some of them want to read that in so many words. Pure.
 */
#include "adapters/closed.h"

#include "base/attrs.h"

/* Where in a schema schemas stand. */
static const char *const by_name[] = {"properties", "$defs", "definitions"};
static const char *const in_list[] = {"anyOf", "oneOf", "allOf", "prefixItems"};

static bool
is_one_of(struct str name, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (json_str_eq(name, str_of(names[i])))
			return true;
	return false;
}

static void
put_name(struct json_out *o, struct str name)
{
	json_put_raw(o, name);
	buf_add_char(o->buf, ':');
	o->comma = false;
}

/* A container whose members or items are schemas. */
static void
put_each(struct json_out *o, struct json_value v)
{
	char open = v.type == JSON_OBJECT ? '{' : '[';
	char end = v.type == JSON_OBJECT ? '}' : ']';
	struct json_iter it;
	struct json_value one;
	struct str name;

	json_open(o, open);
	if (json_iter_init(&it, v))
		while (json_iter_next(&it, &name, &one)) {
			if (it.object)
				put_name(o, name);
			json_put_closed(o, one);
		}
	json_close(o, end);
}

static bool
is_object_schema(struct json_value schema)
{
	struct json_value type = json_get(schema, "type");

	return type.type == JSON_STRING &&
	       json_str_eq(type.raw, STR("object")) &&
	       json_get(schema, "additionalProperties").type == JSON_ABSENT;
}

void
json_put_closed(struct json_out *o, struct json_value schema)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (schema.type != JSON_OBJECT || !json_iter_init(&it, schema)) {
		json_put_raw(o, schema.raw);
		return;
	}
	json_open(o, '{');
	while (json_iter_next(&it, &name, &v)) {
		put_name(o, name);
		if ((v.type == JSON_OBJECT &&
		     is_one_of(name, by_name, ARRAY_LEN(by_name))) ||
		    (v.type == JSON_ARRAY &&
		     is_one_of(name, in_list, ARRAY_LEN(in_list))))
			put_each(o, v);
		else if (json_str_eq(name, STR("items")))
			json_put_closed(o, v);
		else
			json_put_raw(o, v.raw);
	}
	if (is_object_schema(schema)) {
		json_name(o, "additionalProperties");
		json_put_bool(o, false);
	}
	json_close(o, '}');
}
