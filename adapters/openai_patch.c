/*
 * A request for an OpenAI-compatible provider out of the client's own bytes:
 * spans are copied, and replaced where the provider differs (its quirks).
 * Nothing is re-serialised.
 */
#include "adapters/openai.h"
#include "base/must.h"

/* Each takes two pieces, and the head of the request some. What is beyond
 * (many developer messages) is joined in the arena. */
#define PATCHES_MAX 32
#define PATCHES_FEW 9

/* A replacement of body bytes: [at, at + cut) becomes `with`. */
struct patch {
	const char *at;
	size_t cut;
	struct str with;
};

struct patches {
	struct patch p[PATCHES_MAX];
	unsigned n;
};

static void
add(struct patches *p, struct str was, struct str with)
{
	if (p->n < PATCHES_MAX)
		p->p[p->n++] = (struct patch){was.p, was.n, with};
}

/* ---- the usage of a stream ---- */

static void
add_usage(const struct ask *ask, struct patches *p)
{
	struct json_value options = ask->stream_options;
	struct json_value was = ask->include_usage_value;
	struct json_iter it;
	struct json_value v;
	struct str name;
	bool empty;

	if (options.type == JSON_ABSENT) {
		/* the body is an object with a model: never empty */
		add(p, str_make(ask->body.p + str_find(ask->body, '{') + 1, 0),
		    STR("\"stream_options\":{\"include_usage\":true},"));
	} else if (options.type == JSON_NULL) {
		add(p, options.raw, STR("{\"include_usage\":true}"));
	} else if (was.type != JSON_ABSENT) {
		add(p, was.raw, STR("true"));
	} else {
		empty = !json_iter_init(&it, options) ||
			!json_iter_next(&it, &name, &v);
		add(p, str_make(options.raw.p + 1, 0),
		    empty ? STR("\"include_usage\":true")
			  : STR("\"include_usage\":true,"));
	}
}

/* ---- quirks ---- */

/* Members that go are cut as runs, with the comma behind or, at the end of
 * the object, the one before. */
struct cutting {
	const char *from; /* of the run; NULL: none is open */
	const char *kept; /* end of the last value that stays */
	const char *end;  /* of the last value */
};

static void
cut_until(struct cutting *c, struct patches *p, const char *to)
{
	if (c->from)
		add(p, str_make(c->from, (size_t)(to - c->from)), STR(""));
	c->from = NULL;
}

/* The body was validated as an object; space may stand around it. */
static struct json_value
object_of(struct str body)
{
	while (body.n > 0 && body.p[0] != '{')
		body = str_from(body, 1);
	while (body.n > 0 && body.p[body.n - 1] != '}')
		body.n--;
	return (struct json_value){JSON_OBJECT, body};
}

/* Of the old and the new name of the maximum, the one that goes if both
 * stand there: the new one counts, unless it is null. */
static const char *
spare_maximum(struct json_value body, unsigned quirks)
{
	static const char *const names[] = {"max_tokens",
					    "max_completion_tokens"};
	struct json_value v[2];

	if (!(quirks & QUIRK_MAX_TOKENS))
		return NULL;
	json_pick(body, names, 2, v);
	if (v[0].type == JSON_ABSENT || v[1].type == JSON_ABSENT)
		return NULL;
	return names[v[1].type == JSON_NULL];
}

static bool
is_cut(unsigned quirks, struct str name, const char *spare)
{
	if (quirks & QUIRK_USAGE_ALWAYS &&
	    json_str_eq(name, STR("stream_options")))
		return true;
	return spare && json_str_eq(name, str_of(spare));
}

static void
patch_roles(struct json_value messages, struct patches *p)
{
	struct json_value message, role;
	struct json_iter it;
	struct str name;

	if (messages.type != JSON_ARRAY || !json_iter_init(&it, messages))
		return;
	while (json_iter_next(&it, &name, &message)) {
		role = json_get(message, "role");
		if (role.type == JSON_STRING &&
		    json_str_eq(role.raw, STR("developer")))
			add(p, role.raw, STR("\"system\""));
	}
}

static void
patch_member(unsigned quirks, struct str name, struct json_value v,
	     struct patches *p)
{
	if (quirks & QUIRK_MAX_TOKENS &&
	    json_str_eq(name, STR("max_completion_tokens")))
		add(p, name, STR("\"max_tokens\""));
	else if (quirks & QUIRK_RANDOM_SEED && json_str_eq(name, STR("seed")))
		add(p, name, STR("\"random_seed\""));
	else if (quirks & QUIRK_CHOICE_ANY && v.type == JSON_STRING &&
		 json_str_eq(name, STR("tool_choice")) &&
		 json_str_eq(v.raw, STR("required")))
		add(p, v.raw, STR("\"any\""));
	else if (quirks & QUIRK_OUTPUT_DIMENSION &&
		 json_str_eq(name, STR("dimensions")))
		add(p, name, STR("\"output_dimension\""));
	else if (quirks & QUIRK_SYSTEM && json_str_eq(name, STR("messages")))
		patch_roles(v, p);
}

static void
patch_quirks(const struct ask *ask, unsigned quirks, struct patches *p)
{
	struct json_value body = object_of(ask->body), v;
	const char *spare = spare_maximum(body, quirks);
	struct cutting c = {NULL, NULL, NULL};
	struct json_iter it;
	struct str name;

	if (!json_iter_init(&it, body))
		return;
	while (json_iter_next(&it, &name, &v)) {
		c.end = v.raw.p + v.raw.n;
		if (is_cut(quirks, name, spare)) {
			if (!c.from)
				c.from = name.p;
			continue;
		}
		cut_until(&c, p, name.p);
		c.kept = c.end;
		patch_member(quirks, name, v, p);
	}
	if (c.from && c.kept)
		c.from = c.kept;
	cut_until(&c, p, c.end);
}

/* ---- the body ---- */

static void
sort_patches(struct patches *all)
{
	struct patch *p = all->p;

	for (unsigned i = 1; i < all->n; i++)
		for (unsigned j = i; j > 0 && p[j].at < p[j - 1].at; j--) {
			struct patch t = p[j];

			p[j] = p[j - 1];
			p[j - 1] = t;
		}
}

/* As one piece: there are too many for a sendmsg. */
static enum err
join(struct arena *a, struct str body, const struct patches *p,
     struct pieces *out)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const char *at = body.p;
	struct str whole;

	for (unsigned i = 0; i < p->n; i++) {
		buf_add(&text, at, (size_t)(p->p[i].at - at));
		buf_add_str(&text, p->p[i].with);
		at = p->p[i].at + p->p[i].cut;
	}
	buf_add(&text, at, (size_t)(body.p + body.n - at));
	whole = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	pieces_add(out, whole);
	return whole.p ? E_OK : E_NO_MEMORY;
}

static enum err
put_together(struct arena *a, struct str body, const struct patches *p,
	     struct pieces *out)
{
	const char *at = body.p;

	out->n = 0;
	out->bytes = 0;
	if (p->n > PATCHES_FEW)
		return join(a, body, p, out);
	for (unsigned i = 0; i < p->n; i++) {
		pieces_add(out, str_make(at, (size_t)(p->p[i].at - at)));
		pieces_add(out, p->p[i].with);
		at = p->p[i].at + p->p[i].cut;
	}
	pieces_add(out, str_make(at, (size_t)(body.p + body.n - at)));
	return E_OK;
}

#define PATCHING                                                   \
	(QUIRK_MAX_TOKENS | QUIRK_RANDOM_SEED | QUIRK_CHOICE_ANY | \
	 QUIRK_USAGE_ALWAYS | QUIRK_SYSTEM | QUIRK_OUTPUT_DIMENSION)

enum err
openai_patch(struct arena *a, const struct ask *ask, const struct target *t,
	     struct pieces *out)
{
	struct patches p;

	p.n = 0;
	add(&p, ask->model_value.raw, t->model_json);
	if (ask->stream && !ask->include_usage &&
	    !(t->quirks & QUIRK_USAGE_ALWAYS))
		add_usage(ask, &p);
	if (t->quirks & PATCHING)
		patch_quirks(ask, t->quirks, &p);
	sort_patches(&p);
	return put_together(a, ask->body, &p, out);
}
