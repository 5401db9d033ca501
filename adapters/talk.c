/*
 * The lists a conversation and an answer are made of, and the account of
 * what is lost on the way to an upstream. Called by dialects and adapters.
 */
#include "adapters/talk.h"

#include "adapters/index.h"
#include "base/must.h"

/* ---- requests, read ---- */

void
conversation_init(struct conversation *c, struct arena *a)
{
	*c = (struct conversation){.a = a};
	c->tail = &c->turns;
	c->tools_tail = &c->tools;
}

struct turn *
conversation_turn(struct conversation *c, enum speaker speaker)
{
	struct turn *t = c->last;

	if (t && t->speaker == speaker)
		return t;
	t = arena_zalloc(c->a, sizeof(*t));
	if (!t)
		return NULL;
	t->speaker = speaker;
	t->tail = &t->parts;
	*c->tail = t;
	c->tail = &t->next;
	c->last = t;
	return t;
}

struct part *
part_new(struct arena *a, enum part_kind kind)
{
	struct part *p = arena_zalloc(a, sizeof(*p));

	if (p)
		p->kind = kind;
	return p;
}

struct part *
turn_add(struct conversation *c, struct turn *turn, enum part_kind kind)
{
	struct part *p = turn ? part_new(c->a, kind) : NULL;

	if (!p)
		return NULL;
	*turn->tail = p;
	turn->tail = &p->next;
	return p;
}

struct tool *
conversation_tool(struct conversation *c)
{
	struct tool *t = arena_zalloc(c->a, sizeof(*t));

	if (!t)
		return NULL;
	*c->tools_tail = t;
	c->tools_tail = &t->next;
	return t;
}

void
conversation_say(struct conversation *c, enum trait_kind kind,
		 const char *field, struct json_value value)
{
	if (value.type == JSON_ABSENT || value.type == JSON_NULL)
		return;
	c->traits[kind] = (struct trait){field, value};
}

/* Of a list of names; what comes beyond is not named any more. */
#define LIST_MAX 512u

static bool
list_has(struct str list, struct str name)
{
	while (list.p)
		if (str_eq(str_trim(str_cut(&list, ',')), name))
			return true;
	return false;
}

/* Lists are short: the old text stays in the arena. */
static struct str
list_add(struct arena *a, struct str list, struct str name)
{
	struct str longer;

	if (name.n == 0 || list.n + name.n > LIST_MAX || list_has(list, name))
		return list;
	if (list.n == 0)
		return arena_dup(a, name);
	longer = arena_printf(a, "%.*s, %.*s", STR_ARG(list), STR_ARG(name));
	return longer.p ? longer : list;
}

void
conversation_drop(struct conversation *c, struct str field)
{
	c->dropped = list_add(c->a, c->dropped, field);
}

void
conversation_refuse(struct conversation *c, const char *field)
{
	if (!c->refused)
		c->refused = field;
}

/* The same in every request that repeats the conversation. */
static bool
name_call(struct conversation *c, struct part *call, unsigned *n)
{
	if (call->id.n > 0)
		return true;
	call->id = arena_printf(c->a, "call_%u", (*n)++);
	return call->id.p != NULL;
}

bool
conversation_link(struct conversation *c)
{
	struct index calls = {NULL};
	unsigned n = 0;

	for (const struct turn *t = c->turns; t; t = t->next)
		for (struct part *p = t->parts; p; p = p->next) {
			const struct part *call = NULL;

			if (p->kind == PART_CALL &&
			    (!name_call(c, p, &n) ||
			     !index_set(c->a, &calls, p->id, p)))
				return false;
			if (p->kind == PART_RESULT && p->name.n == 0)
				call = index_get(&calls, p->id);
			if (call)
				p->name = call->name;
		}
	return true;
}

/* With its quotes; not of an empty one, which may be nowhere. */
static struct json_value
quoted(struct str raw)
{
	return (struct json_value){JSON_STRING, str_make(raw.p - 1, raw.n + 2)};
}

bool
part_args(struct arena *a, struct part *p, struct str raw)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_value root;
	struct json_error fault;
	struct str plain;

	p->text = raw;
	p->args = STR_NONE;
	if (raw.n == 0)
		return true;
	if (!json_unescape(quoted(raw), &text))
		return !text.failed;
	plain = buf_str(&text);
	if (!json_valid(plain, &root, &fault) || root.type != JSON_OBJECT)
		return true;
	p->args = arena_dup(a, root.raw);
	return p->args.p != NULL;
}

bool
part_data_url(struct arena *a, struct part *p, struct str raw)
{
	struct str rest, mime;
	ptrdiff_t comma;

	if (!str_starts(raw, STR("data:")))
		return false;
	comma = str_find(raw, ',');
	if (comma < 0)
		return false;
	mime = str_make(raw.p + 5, (size_t)comma - 5);
	rest = str_from(raw, (size_t)comma + 1);
	if (!str_ends(mime, STR(";base64")))
		return false;
	mime.n -= sizeof(";base64") - 1;
	p->mime = json_plain(a, mime);
	p->data = json_plain(a, rest);
	return p->data.n > 0;
}

struct str
json_plain(struct arena *a, struct str raw)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return raw;
	if (!json_unescape(quoted(raw), &text))
		return raw;
	return arena_dup(a, buf_str(&text));
}

void
json_put_inside(struct json_out *o, struct str raw)
{
	json_put_raw(o, STR("\""));
	buf_add_str(o->buf, raw);
	buf_add_char(o->buf, '"');
}

void
usage_end(struct json_out *o, const struct usage *u, struct money cost)
{
	char text[MONEY_TEXT];

	if (!u->present) {
		json_name(o, "estimated");
		json_put_bool(o, true);
	}
	json_name(o, "cost");
	(void)money_text(cost, text);
	json_put_raw(o, str_of(text));
	json_close(o, '}');
}

void
json_put_member(struct json_out *o, const char *name, struct str raw)
{
	json_name(o, name);
	json_put_inside(o, raw);
}

void
json_open_type(struct json_out *o, const char *type)
{
	json_open(o, '{');
	json_name(o, "type");
	json_put_str(o, str_of(type));
}

/* ---- requests, written ---- */

static const bool harmless[TRAITS] = {
#define TRAIT(name, is_harmless) [TRAIT_##name] = (is_harmless),
#include "adapters/traits.def"
#undef TRAIT
};

const struct trait *
trait_take(struct writing *w, enum trait_kind kind)
{
	const struct trait *t = &w->talk->traits[kind];

	w->taken |= 1ull << kind;
	return t->field ? t : NULL;
}

void
trait_put(struct writing *w, enum trait_kind kind, const char *name)
{
	const struct trait *t = trait_take(w, kind);

	if (!t)
		return;
	json_name(w->out, name);
	json_put_raw(w->out, t->value.raw);
}

void
writing_drop(struct writing *w, const char *field)
{
	w->dropped = list_add(w->a, w->dropped, str_of(field));
}

void
writing_refuse(struct writing *w, const char *field)
{
	if (!w->refused)
		w->refused = field;
}

/* Of one tool that must be called one call comes, asked for or not. */
static bool
calls_once(const struct conversation *c)
{
	return c->traits[TRAIT_TOOL_CHOICE].field && c->tools &&
	       !c->tools->next &&
	       (c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED);
}

static bool
may_drop(const struct conversation *c, unsigned trait)
{
	return harmless[trait] || (trait == TRAIT_PARALLEL && calls_once(c));
}

enum err
writing_end(struct writing *w)
{
	const struct trait *t = w->talk->traits;

	if (w->talk->dropped.n > 0)
		w->dropped = list_add(w->a, w->talk->dropped, w->dropped);
	for (unsigned i = 0; i < TRAITS; i++) {
		if (!t[i].field || w->taken >> i & 1)
			continue;
		if (may_drop(w->talk, i))
			writing_drop(w, t[i].field);
		else
			writing_refuse(w, t[i].field);
	}
	if (w->talk->refused)
		w->refused = w->talk->refused;
	if (w->talk->strict && w->dropped.n > 0)
		writing_refuse(w, arena_dup(w->a, w->dropped).p);
	if (w->out->buf->failed)
		return E_NO_MEMORY;
	return w->refused ? E_FIELD_LOST : E_OK;
}

/* ---- answers ---- */

void
reply_init(struct reply *r)
{
	*r = (struct reply){.tail = NULL};
	r->tail = &r->choices;
}

bool
reply_failed(const struct reply *r)
{
	for (const struct reply_choice *c = r->choices; c; c = c->next)
		if (c->finish == FINISH_ERROR)
			return true;
	return false;
}

struct reply_choice *
reply_choice(struct arena *a, struct reply *r)
{
	struct reply_choice *c = arena_zalloc(a, sizeof(*c));

	if (!c)
		return NULL;
	c->tail = &c->parts;
	*r->tail = c;
	r->tail = &c->next;
	return c;
}

struct part *
reply_part(struct arena *a, struct reply_choice *c, enum part_kind kind)
{
	struct part *p = c ? part_new(a, kind) : NULL;

	if (!p)
		return NULL;
	*c->tail = p;
	c->tail = &p->next;
	return p;
}

/* ---- streamed answers ---- */

void
source_put_text(const struct source *s, enum piece_kind kind,
		struct json_value text)
{
	struct piece p = {.kind = kind, .text = json_inside(text)};

	if (p.text.n > 0)
		source_put(s, &p);
}
