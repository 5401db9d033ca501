/* adapters/talk.c: lists keep their order, nothing is lost without a name. */
#include "adapters/adapter.h"
#include "tests/tap.h"

static struct arena arena;

static struct json_value
value_of(const char *text)
{
	struct json_value v = {JSON_ABSENT, STR_NONE};
	struct json_error fault;

	CHECK(json_valid(str_of(text), &v, &fault));
	return v;
}

TEST(turns_of_one_speaker_are_one_turn)
{
	struct conversation c;
	struct part *p;

	arena_init(&arena);
	conversation_init(&c, &arena);
	p = turn_add(&c, conversation_turn(&c, SPEAKER_USER), PART_TEXT);
	p->text = STR("a");
	p = turn_add(&c, conversation_turn(&c, SPEAKER_USER), PART_TEXT);
	p->text = STR("b");
	p = turn_add(&c, conversation_turn(&c, SPEAKER_ASSISTANT), PART_CALL);
	p->id = STR("call_1");
	p->name = STR("weather");
	CHECK(c.turns->parts->next == c.turns->parts[0].next);
	CHECK(str_eq(c.turns->parts->next->text, STR("b")));
	CHECK(c.turns->next == c.last && !c.last->next);
	arena_free(&arena);
}

static struct part *
add(struct conversation *c, enum part_kind kind, const char *id,
    const char *name)
{
	enum speaker speaker =
		kind == PART_CALL ? SPEAKER_ASSISTANT : SPEAKER_USER;
	struct part *p = turn_add(c, conversation_turn(c, speaker), kind);

	p->id = str_of(id);
	p->name = str_of(name);
	return p;
}

TEST(results_are_named_after_the_call_before_them)
{
	struct conversation c;
	struct part *first, *second, *named, *lost, *call;

	arena_init(&arena);
	conversation_init(&c, &arena);
	add(&c, PART_CALL, "call_1", "weather");
	first = add(&c, PART_RESULT, "call_1", "");
	named = add(&c, PART_RESULT, "call_1", "mine");
	/* some count anew in each turn */
	add(&c, PART_CALL, "call_1", "time");
	second = add(&c, PART_RESULT, "call_1", "");
	lost = add(&c, PART_RESULT, "call_2", "");
	add(&c, PART_CALL, "", "x");
	call = add(&c, PART_CALL, "", "y");
	CHECK(conversation_link(&c));
	CHECK(str_eq(first->name, STR("weather")));
	CHECK(str_eq(named->name, STR("mine")));
	CHECK(str_eq(second->name, STR("time")));
	CHECK(lost->name.n == 0);
	CHECK(str_eq(call->id, STR("call_1")));
	arena_free(&arena);
}

TEST(arguments_are_an_object_or_kept_as_text)
{
	struct part p = {.kind = PART_CALL};
	struct json_value v =
		value_of("\"{\\\"city\\\": \\\"Ber\\u006cin\\\"}\"");

	arena_init(&arena);
	CHECK(part_args(&arena, &p, json_inside(v)));
	CHECK(str_eq(p.args, STR("{\"city\": \"Berlin\"}")));
	CHECK(part_args(&arena, &p, json_inside(value_of("\"[1]\""))));
	CHECK(p.args.n == 0 && str_eq(p.text, STR("[1]")));
	CHECK(part_args(&arena, &p, STR("")));
	CHECK(p.args.n == 0 && p.text.n == 0);
	arena_free(&arena);
}

TEST(a_data_url_is_taken_apart)
{
	struct part p = {.kind = PART_IMAGE};

	arena_init(&arena);
	CHECK(part_data_url(
		&arena, &p,
		json_inside(
			value_of("\"data:image\\/png;base64,iVBO\\/w==\""))));
	CHECK(str_eq(p.mime, STR("image/png")));
	CHECK(str_eq(p.data, STR("iVBO/w==")));
	CHECK(!part_data_url(&arena, &p, STR("https://a/b.png")));
	CHECK(!part_data_url(&arena, &p, STR("data:text/plain,hello")));
	CHECK(!part_data_url(&arena, &p, STR("data:image/png;base64")));
	arena_free(&arena);
}

/* What becomes of a conversation that says `kind` at an upstream which takes
 * nothing. */
static enum err
lost(struct conversation *c, struct writing *w)
{
	static struct buf body;
	static struct json_out out;

	buf_reset(&body);
	json_out_init(&out, &body);
	*w = (struct writing){.talk = c, .a = &arena, .out = &out};
	return writing_end(w);
}

TEST(what_nobody_takes_is_named)
{
	struct conversation c;
	struct writing w;

	arena_init(&arena);
	conversation_init(&c, &arena);
	conversation_say(&c, TRAIT_USER, "user", value_of("\"u\""));
	conversation_say(&c, TRAIT_SEED, "seed", value_of("null"));
	conversation_drop(&c, STR("store"));
	CHECK(lost(&c, &w) == E_OK);
	CHECK(str_eq(w.dropped, STR("store, user")));
	c.strict = true;
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK_STR(w.refused, "store, user");
	c.strict = false;
	conversation_say(&c, TRAIT_SEED, "seed", value_of("7"));
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK_STR(w.refused, "seed");
	conversation_refuse(&c, "tools[].type");
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK_STR(w.refused, "tools[].type");
	arena_free(&arena);
}

TEST(one_call_of_one_forced_tool_need_not_be_asked_for)
{
	struct conversation c;
	struct writing w;

	arena_init(&arena);
	conversation_init(&c, &arena);
	conversation_say(&c, TRAIT_PARALLEL, "parallel", value_of("false"));
	CHECK(conversation_tool(&c) != NULL);
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK_STR(w.refused, "parallel");
	conversation_say(&c, TRAIT_TOOL_CHOICE, "choice", value_of("\"any\""));
	c.choice = CHOICE_REQUIRED;
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK_STR(w.refused, "choice");
	CHECK(str_eq(w.dropped, STR("parallel")));
	CHECK(conversation_tool(&c) != NULL);
	CHECK(lost(&c, &w) == E_FIELD_LOST);
	CHECK(w.dropped.n == 0);
	arena_free(&arena);
}

TEST(what_is_taken_is_written)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct json_out out;
	struct conversation c;
	struct writing w;

	arena_init(&arena);
	conversation_init(&c, &arena);
	conversation_say(&c, TRAIT_SEED, "seed", value_of("7"));
	json_out_init(&out, &body);
	w = (struct writing){.talk = &c, .a = &arena, .out = &out};
	json_open(&out, '{');
	trait_put(&w, TRAIT_SEED, "random_seed");
	trait_put(&w, TRAIT_TOP_P, "top_p");
	json_name(&out, "text");
	json_put_inside(&out, STR("a\\ud83d"));
	json_close(&out, '}');
	CHECK(writing_end(&w) == E_OK);
	CHECK(str_eq(buf_str(&body),
		     STR("{\"random_seed\":7,\"text\":\"a\\ud83d\"}")));
	arena_free(&arena);
}

int
main(void)
{
	RUN(turns_of_one_speaker_are_one_turn);
	RUN(results_are_named_after_the_call_before_them);
	RUN(arguments_are_an_object_or_kept_as_text);
	RUN(a_data_url_is_taken_apart);
	RUN(what_nobody_takes_is_named);
	RUN(one_call_of_one_forced_tool_need_not_be_asked_for);
	RUN(what_is_taken_is_written);
	return tap_done();
}
