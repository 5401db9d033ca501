/* What upstream dialects share. Called by adapters; pure. */
#include "adapters/wires.h"

/* ---- writing ---- */

void
wire_put_word(struct json_out *o, const char *name, const char *word)
{
	json_name(o, name);
	json_put_str(o, str_of(word));
}

void
wire_put_args(struct writing *w, const char *name, const struct part *p)
{
	if (p->args.n == 0 && p->text.n > 0)
		writing_refuse(w, "messages[].tool_calls[].function.arguments");
	json_name(w->out, name);
	json_put_raw(w->out, p->args.n > 0 ? p->args : STR("{}"));
}

void
wire_put_schema(struct json_out *o, const char *name, struct json_value schema)
{
	struct json_iter it;
	struct json_value v;
	struct str member;

	json_name(o, name);
	if (json_get(schema, "type").type != JSON_ABSENT) {
		json_put_raw(o, schema.raw);
		return;
	}
	json_open(o, '{');
	wire_put_word(o, "type", "object");
	if (schema.type != JSON_OBJECT || !json_iter_init(&it, schema) ||
	    str_eq(schema.raw, STR("{}"))) {
		json_name(o, "properties");
		json_put_raw(o, STR("{}"));
	} else {
		while (json_iter_next(&it, &member, &v)) {
			json_put_raw(o, member);
			buf_add_char(o->buf, ':');
			buf_add_str(o->buf, v.raw);
		}
	}
	json_close(o, '}');
}

bool
wire_is_text(const struct part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL;
}

void
wire_put_joined(struct json_out *o, const char *name, const struct part *p,
		enum part_kind kind)
{
	bool first = true;

	json_name(o, name);
	json_put_raw(o, STR("\""));
	for (; p; p = p->next) {
		if (p->kind != kind &&
		    !(kind == PART_TEXT && p->kind == PART_REFUSAL))
			continue;
		if (!first)
			buf_add_cstr(o->buf, "\\n");
		buf_add_str(o->buf, p->text);
		first = false;
	}
	buf_add_char(o->buf, '"');
}

struct str
wire_image_mime(const struct part *p)
{
	static const struct {
		const char *begin, *mime;
	} rows[] = {{"iVBORw0KGgo", "image/png"},
		    {"/9j/", "image/jpeg"},
		    {"R0lGOD", "image/gif"},
		    {"UklGR", "image/webp"}};

	if (p->mime.n > 0)
		return p->mime;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (str_starts(p->data, str_of(rows[i].begin)))
			return str_of(rows[i].mime);
	return STR("");
}

bool
wire_is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' ||
		    s.p[i] == '\\')
			return false;
	return true;
}

void
wire_refuse_media(struct writing *w, const struct part *p)
{
	if (p->kind == PART_AUDIO)
		writing_refuse(w, "messages[].content[].input_audio");
	else if (p->kind == PART_FILE)
		writing_refuse(w, "messages[].content[].file");
	else
		writing_refuse(w, "messages[].content[].image_url.url");
}

bool
wire_has_tools(struct writing *w)
{
	const struct conversation *c = w->talk;
	bool may = c->choice == CHOICE_AUTO || c->choice == CHOICE_NONE;

	if (c->tools && c->choice != CHOICE_NONE)
		return true;
	if (may)
		(void)trait_take(w, TRAIT_TOOL_CHOICE);
	(void)trait_take(w, TRAIT_PARALLEL);
	return false;
}

void
wire_take_count(struct writing *w)
{
	if (w->ask->choices == 1)
		(void)trait_take(w, TRAIT_COUNT);
}

/* ---- reading ---- */

bool
wire_count(struct json_value v, uint64_t *out)
{
	if (v.type == JSON_ABSENT || v.type == JSON_NULL)
		return true;
	return json_u64(v, out) && *out <= UINT64_MAX / 8;
}

uint64_t
wire_bytes(struct json_value v)
{
	return v.type == JSON_STRING ? v.raw.n - 2 : 0;
}

struct str
wire_quoted(struct arena *a, struct str text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	json_put_str(&o, text);
	if (out.failed)
		return STR_NONE;
	return arena_dup(a, str_make(out.p + 1, out.n - 2));
}

enum err
wire_judge(int status)
{
	switch (status) {
	case 401:
	case 403: return E_UP_CREDENTIALS;
	case 402: return E_UP_BILLING;
	case 408:
	case 504: return E_UP_TIMEOUT;
	case 429: return E_UP_RATE_LIMITED;
	case 503:
	case 529: return E_UP_OVERLOADED;
	default: break;
	}
	if (status >= 400 && status < 500)
		return E_UP_REQUEST;
	return E_UP_SERVER_ERROR;
}

void
wire_read_error(int status, struct str body, struct upstream_error *out)
{
	static const char *const top[] = {"error", "message", "Message"};
	static const char *const names[] = {"message", "type", "code"};
	struct json_value v[3], e[3];
	struct json_error fault;

	*out = (struct upstream_error){.err = wire_judge(status)};
	if (!json_members(body, top, 3, v, &fault))
		return;
	json_pick(v[0], names, 3, e);
	out->message = json_inside(v[0]);
	if (out->message.n == 0)
		out->message = json_inside(e[0]);
	if (out->message.n == 0)
		out->message = json_inside(v[1]);
	if (out->message.n == 0)
		out->message = json_inside(v[2]);
	out->type = json_inside(e[1]);
	out->code = json_inside(e[2]);
}

/* ---- calls in a stream ---- */

uint32_t
wire_call_begin(struct wire_calls *c, uint64_t block)
{
	if (c->n < WIRE_CALLS)
		c->block[c->n] = block;
	return c->n++;
}

bool
wire_call_find(const struct wire_calls *c, uint64_t block, uint32_t *call)
{
	*call = c->n;
	for (uint32_t i = MIN_OF(c->n, WIRE_CALLS); i > 0; i--)
		if (c->block[i - 1] == block) {
			*call = i - 1;
			return true;
		}
	if (c->n == 0)
		return false;
	*call = c->n - 1;
	return true;
}

bool
wire_has_words(const struct part *p)
{
	for (; p; p = p->next) {
		if (p->kind != PART_RESULT)
			return true;
		for (const struct part *in = p->content; in; in = in->next)
			if (!wire_is_text(in))
				return true;
	}
	return false;
}

bool
wire_add_text(struct arena *a, struct reply_choice *c, enum part_kind kind,
	      struct json_value text)
{
	struct part *p;

	if (wire_bytes(text) == 0)
		return true;
	p = reply_part(a, c, kind);
	if (!p)
		return false;
	p->text = json_inside(text);
	return true;
}
