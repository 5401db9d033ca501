/*
 * Thinking in messages of OpenAI's dialect, where it has no official place:
 * reasoning_content or reasoning, and lists of details that say which part
 * of it is signed or redacted (ours, OpenRouter's, LiteLLM's words). Read
 * from clients and from upstreams.
 */
#include "adapters/openai.h"

enum { D_TYPE, D_THINKING, D_TEXT, D_SUMMARY, D_SIGNATURE, D_DATA, DETAILS };

static bool
is(struct json_value v, const char *text)
{
	return v.type == JSON_STRING && json_str_eq(v.raw, str_of(text));
}

static struct json_value
either(struct json_value a, struct json_value b)
{
	return a.type == JSON_STRING ? a : b;
}

void
openai_read_thought(struct json_value detail, struct openai_thought *out)
{
	static const char *const names[DETAILS] = {
		"type", "thinking", "text", "summary", "signature", "data"};
	struct json_value d[DETAILS], text;

	json_pick(detail, names, DETAILS, d);
	text = either(d[D_THINKING], either(d[D_TEXT], d[D_SUMMARY]));
	*out = (struct openai_thought){
		.redacted = is(d[D_TYPE], "redacted_thinking") ||
			    is(d[D_TYPE], "reasoning.encrypted"),
		.has_text = text.type == JSON_STRING,
		.text = json_inside(text),
		.signature = json_inside(d[D_SIGNATURE]),
		.data = json_inside(d[D_DATA]),
	};
	out->whole = d[D_THINKING].type == JSON_STRING && out->signature.n > 0;
}

static struct part *
add(struct arena *a, struct part ***tail, enum part_kind kind)
{
	struct part *p = part_new(a, kind);

	if (!p)
		return NULL;
	**tail = p;
	*tail = &p->next;
	return p;
}

/* *whole is the text of it all, for a detail that has only a signature. */
static enum err
add_thought(struct arena *a, struct part ***tail,
	    const struct openai_thought *t, struct str *whole)
{
	struct part *p =
		add(a, tail, t->redacted ? PART_REDACTED : PART_THINKING);

	if (!p)
		return E_NO_MEMORY;
	if (t->redacted) {
		p->data = json_plain(a, t->data);
		return E_OK;
	}
	p->text = t->has_text ? t->text : *whole;
	p->signature = t->signature;
	*whole = STR("");
	return E_OK;
}

enum { M_CONTENT, M_REASONING, M_DETAILS, M_BLOCKS, MEMBERS };
static const char *const members[MEMBERS] = {"reasoning_content", "reasoning",
					     "reasoning_details",
					     "thinking_blocks"};

struct json_value
openai_thought_text(struct json_value message)
{
	struct json_value m[2];

	json_pick(message, members, 2, m);
	return either(m[M_CONTENT], m[M_REASONING]);
}

struct json_value
openai_thought_details(struct json_value message)
{
	struct json_value m[2];

	json_pick(message, members + M_DETAILS, 2, m);
	return m[0].type == JSON_ARRAY ? m[0] : m[1];
}

enum err
openai_read_thoughts(struct arena *a, struct json_value message,
		     struct part ***tail)
{
	struct json_value details = openai_thought_details(message), detail;
	struct str whole = json_inside(openai_thought_text(message)), name;
	struct openai_thought t;
	struct json_iter it;
	enum err e = E_OK;

	if (details.type == JSON_ARRAY && json_iter_init(&it, details))
		while (e == E_OK && json_iter_next(&it, &name, &detail)) {
			openai_read_thought(detail, &t);
			e = add_thought(a, tail, &t, &whole);
		}
	if (e != E_OK || whole.n == 0)
		return e;
	t = (struct openai_thought){.has_text = true, .text = whole};
	return add_thought(a, tail, &t, &whole);
}
