/*
 * The events of a stream, one a call: for each choice the role, the thoughts,
 * the content, the tool calls and the finish, then the usage, then [DONE].
 */
#include <string.h>

#include "tests/mock/answer.h"

enum what {
	IS_EARLY_USAGE,
	IS_ROLE,
	IS_THOUGHT,
	IS_CONTENT,
	IS_TOOL,
	IS_FINISH,
	IS_USAGE,
	IS_DONE,
	IS_END
};

struct place {
	enum what what;
	int64_t choice, i;
};

static int64_t
early(const struct answer *a)
{
	return a->plan.usage == USAGE_EARLY ? 1 : 0;
}

static int64_t
final_usages(const struct answer *a)
{
	if (!a->facts.include_usage || a->plan.usage == USAGE_MISSING ||
	    early(a))
		return 0;
	return a->plan.usage == USAGE_TWO ? 2 : 1;
}

static struct place
tail_place(const struct answer *a, int64_t u)
{
	int64_t done = a->plan.nodone ? 0 : 1;

	if (u < final_usages(a))
		return (struct place){IS_USAGE, 0, u};
	u -= final_usages(a);
	return (struct place){u < done ? IS_DONE : IS_END, 0, 0};
}

/* What the event number `unit` is. */
static struct place
place_of(const struct answer *a)
{
	int64_t u = a->unit - early(a);
	int64_t per_choice = 1 + a->deltas + 1;
	int64_t choice;

	if (u < 0)
		return (struct place){IS_EARLY_USAGE, 0, 0};
	choice = u / per_choice;
	if (choice >= a->facts.n)
		return tail_place(a, u - per_choice * a->facts.n);
	u %= per_choice;
	if (u == 0)
		return (struct place){IS_ROLE, choice, 0};
	u--;
	if (u < a->think)
		return (struct place){IS_THOUGHT, choice, u};
	u -= a->think;
	if (u < a->content)
		return (struct place){IS_CONTENT, choice, u};
	u -= a->content;
	if (u < a->fragments)
		return (struct place){IS_TOOL, choice, u};
	return (struct place){IS_FINISH, choice, 0};
}

bool
answer_next_is_delta(const struct answer *a)
{
	enum what what = place_of(a).what;

	return what == IS_THOUGHT || what == IS_CONTENT || what == IS_TOOL;
}

static int64_t
tool_delta(const struct answer *a, int64_t i, struct buf *to)
{
	const char *name = *a->facts.tool ? a->facts.tool : "get_weather";
	int64_t call = i / TOOL_UNITS;
	int64_t part = i % TOOL_UNITS;
	int64_t bytes = 0;

	buf_fmt(to, "{\"tool_calls\":[{\"index\":%lld,", (long long)call);
	if (part == 0) {
		buf_fmt(to,
			"\"id\":\"call_mock%llx_%lld\",\"type\":\"function\","
			"\"function\":{\"name\":\"%s\",\"arguments\":\"",
			(unsigned long long)a->seq, (long long)call, name);
	} else {
		buf_str(to, "\"function\":{\"arguments\":\"");
		bytes = tool_piece(part - 1, to);
	}
	buf_str(to, "\"}}]}");
	return bytes;
}

/* The delta object of a chat chunk; how many bytes of it are content. */
static int64_t
chat_delta(const struct answer *a, struct place at, struct buf *to)
{
	int64_t bytes;

	switch (at.what) {
	case IS_ROLE:
		buf_str(to, "{\"role\":\"assistant\",\"content\":");
		buf_str(to, a->content ? "\"\"}" : "null}");
		return 0;
	case IS_TOOL: return tool_delta(a, at.i, to);
	case IS_THOUGHT:
		buf_str(to, "{\"reasoning_content\":\"");
		bytes = think_piece(at.i, to);
		break;
	case IS_CONTENT:
		buf_str(to, "{\"content\":\"");
		bytes = content_piece(a, at.i, to);
		break;
	case IS_EARLY_USAGE:
	case IS_FINISH:
	case IS_USAGE:
	case IS_DONE:
	case IS_END:
	default: buf_str(to, "{}"); return 0;
	}
	buf_str(to, "\"}");
	return bytes;
}

static int64_t
choice(const struct answer *a, struct place at, struct buf *to)
{
	bool chat = a->facts.endpoint == EP_CHAT;
	int64_t bytes = 0;

	buf_str(to, "[{\"index\":");
	buf_int(to, at.choice);
	buf_str(to, chat ? ",\"delta\":" : ",\"text\":\"");
	if (chat)
		bytes = chat_delta(a, at, to);
	else if (at.what == IS_CONTENT)
		bytes = content_piece(a, at.i, to);
	buf_str(to, chat ? ",\"logprobs\":null,\"finish_reason\":"
			 : "\",\"logprobs\":null,\"finish_reason\":");
	if (at.what == IS_FINISH && a->plan.finish != FINISH_NONE)
		buf_json(to, a->finish);
	else
		buf_str(to, "null");
	buf_str(to, "}]");
	return bytes;
}

static void
eol(const struct answer *a, struct buf *to)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};

	buf_str(to, ends[a->plan.eol]);
}

static void
open_event(const struct answer *a, struct buf *to)
{
	int64_t i;

	if (a->plan.bom && a->unit == 0)
		buf_str(to, "\xef\xbb\xbf");
	for (i = 0; i < a->plan.comments; i++) {
		buf_str(to, ": mock keep-alive");
		eol(a, to);
		if (i & 1)
			eol(a, to);
	}
	if (a->plan.fields) {
		buf_str(to, "event: message");
		eol(a, to);
		buf_fmt(to, "id: %lld", (long long)a->unit);
		eol(a, to);
	}
	buf_str(to, a->plan.nospace ? "data:" : "data: ");
}

/* Breaks the line, still inside the event. */
static void
fold(const struct answer *a, struct buf *to)
{
	if (!a->plan.multiline)
		return;
	eol(a, to);
	buf_str(to, a->plan.nospace ? "data:" : "data: ");
}

static void
close_event(const struct answer *a, struct buf *to)
{
	eol(a, to);
	eol(a, to);
}

static void
running_figures(const struct answer *a, struct buf *to)
{
	buf_str(to, ",\"usage\":{\"prompt_tokens\":");
	buf_int(to, a->figures.prompt);
	buf_str(to, ",\"completion_tokens\":");
	buf_int(to, a->marks);
	buf_str(to, ",\"total_tokens\":");
	buf_int(to, a->figures.prompt + a->marks);
	buf_str(to, "}");
}

/* A running count of the usage so far, as some providers send. */
static void
running_usage(const struct answer *a, struct buf *to)
{
	if (a->plan.usage == USAGE_EACH)
		running_figures(a, to);
	else if (a->plan.usagenull)
		buf_str(to, ",\"usage\":null");
}

static void
chunk(struct answer *a, struct place at, struct unit *unit, struct buf *to)
{
	bool chat = a->facts.endpoint == EP_CHAT;

	buf_str(to, chat ? "{\"id\":\"chatcmpl-mock" : "{\"id\":\"cmpl-mock");
	buf_hex(to, a->seq);
	buf_str(to,
		chat ? "\",\"object\":\"chat.completion.chunk\",\"created\":"
		     : "\",\"object\":\"text_completion\",\"created\":");
	buf_int(to, a->created);
	buf_str(to, ",\"model\":");
	buf_json(to, a->facts.model);
	buf_str(to, ",");
	fold(a, to);
	buf_str(to, "\"choices\":");
	if (at.what == IS_USAGE || at.what == IS_EARLY_USAGE) {
		buf_str(to, "[]");
		usage_member(a, a->usages, to);
		unit->usage = true;
		a->usages++;
	} else {
		unit->content = choice(a, at, to);
		running_usage(a, to);
	}
	buf_str(to, "}");
}

struct unit
answer_event(struct answer *a, struct buf *to)
{
	struct place at = place_of(a);
	struct unit unit = {.delta = answer_next_is_delta(a)};

	if (at.what == IS_END) {
		unit.last = true;
		return unit;
	}
	open_event(a, to);
	if (unit.delta)
		a->marks++;
	if (at.what == IS_DONE)
		buf_str(to, "[DONE]");
	else if (unit.delta && a->marks == a->plan.badchunk + 1 &&
		 a->plan.badchunk >= 0)
		buf_str(to, "{\"id\":\"chatcmpl-broken\",\"choices\":[{");
	else
		chunk(a, at, &unit, to);
	close_event(a, to);
	a->unit++;
	return unit;
}
