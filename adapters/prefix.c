/* Spans of the body, as they were written: nothing is copied. */
#include "adapters/prefix.h"

#include "base/json.h"

struct prefix {
	struct str *out;
	unsigned n, most;
	size_t left;
};

static void
take(struct prefix *p, struct str s)
{
	if (s.n == 0 || p->left == 0 || p->n == p->most)
		return;
	p->out[p->n] = str_make(s.p, MIN_OF(s.n, p->left));
	p->left -= p->out[p->n++].n;
}

static bool
is_user(struct json_value message)
{
	struct json_value role;

	if (message.type != JSON_OBJECT)
		return false;
	role = json_get(message, "role");
	return role.type == JSON_STRING && json_str_eq(role.raw, STR("user"));
}

unsigned
ask_prefix(const struct ask *ask, size_t bytes, struct str *out, unsigned n)
{
	struct prefix p = {.out = out, .most = n, .left = bytes};
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (ask->kind != ASK_CHAT && ask->kind != ASK_COMPLETIONS)
		return 0;
	for (unsigned i = ARRAY_LEN(ask->more); i-- > 0;)
		take(&p, ask->more[i].raw);
	if (ask->input.type != JSON_ARRAY || !json_iter_init(&it, ask->input)) {
		take(&p, ask->input.raw);
		return p.n;
	}
	while (p.left > 0 && p.n < p.most && json_iter_next(&it, &name, &v)) {
		take(&p, v.raw);
		if (is_user(v))
			break;
	}
	return p.n;
}

struct str
ask_user(const struct ask *ask)
{
	static const char *const names[] = {"prompt_cache_key", "user",
					    "metadata"};
	static const char *const inner[] = {"user_id"};
	struct json_value body = {JSON_OBJECT, str_trim(ask->body)};
	struct json_value v[ARRAY_LEN(names)], id;

	if (ask->kind != ASK_CHAT && ask->kind != ASK_COMPLETIONS)
		return STR_NONE;
	json_pick(body, names, ARRAY_LEN(names), v);
	for (unsigned i = 0; i < 2; i++)
		if (v[i].type == JSON_STRING && v[i].raw.n > 2)
			return v[i].raw;
	if (v[2].type != JSON_OBJECT)
		return STR_NONE;
	json_pick(v[2], inner, 1, &id);
	return id.type == JSON_STRING && id.raw.n > 2 ? id.raw : STR_NONE;
}
