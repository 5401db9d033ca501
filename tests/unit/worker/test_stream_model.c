/* worker/stream.c: which model answered, and whether it may. */
#include "tests/unit/worker/fixture.h"

static bool
accepted(const char *served)
{
	struct fixture *f = fix_new();
	const struct str aliases[] = {STR("gpt-alias")};
	char text[256];
	bool ok;

	f->offer[LANE_A][MODEL_GPT].aliases = aliases;
	f->offer[LANE_A][MODEL_GPT].n_aliases = 1;
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	(void)snprintf(text, sizeof(text),
		       "{%s\"choices\":[{\"message\":{\"content\":\"x\"}}]}",
		       served);
	fix_answer(f, 200, text);
	ok = f->n_calls == 1;
	if (!ok)
		fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_INT(f->exchanges->status, 200);
	CHECK(fix_done(f));
	return ok;
}

TEST(another_model_than_asked_is_no_answer)
{
	CHECK(accepted(""));
	CHECK(accepted("\"model\":null,"));
	CHECK(accepted("\"model\":\"up-gpt\","));
	CHECK(accepted("\"model\":\"up-gpt-2024-11-20\","));
	CHECK(accepted("\"model\":\"up-gpt-v1.5\","));
	CHECK(accepted("\"model\":\"up-gpt@001\","));
	CHECK(accepted("\"model\":\"gpt-alias\","));
	CHECK(!accepted("\"model\":\"up-gpt-\","));
	CHECK(!accepted("\"model\":\"up-gpt-mini\","));
	CHECK(!accepted("\"model\":\"up-gpt2\","));
	CHECK(!accepted("\"model\":\"up-gp\","));
	CHECK(!accepted("\"model\":\"gpt\","));
	CHECK(!accepted("\"model\":\"other\","));
}

TEST(the_name_that_answered_is_told_and_noted)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_text(f, "data: {\"model\":\"up-gpt-2024-11-20\",\"choices\":"
		       "[{\"delta\":{\"content\":\"x\"}}]}\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-model"), "up-gpt-2024-11-20");
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->entry[0].note.served_len, 17);
	CHECK(memcmp(f->entry[0].note.served, "up-gpt-2024-11-20", 17) == 0);
	CHECK(fix_done(f));
}

TEST(a_key_may_take_another_model_and_it_is_told_and_noted)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_fetch_or(&f->region.keys[0].flags, KEY_SUBSTITUTION);
	x = fix_streaming(f, STREAMED);
	fix_up_text(f, "data: {\"model\":\"other\",\"choices\":"
		       "[{\"delta\":{\"content\":\"x\"}}]}\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-model"), "other");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "up-gpt");
	fix_up_done(f);
	fix_settle(f);
	CHECK(f->entry[0].note.flags & NOTE_SUBSTITUTED);
	CHECK_INT(f->entry[0].note.served_len, 5);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(another_model_than_asked_is_no_answer);
	RUN(the_name_that_answered_is_told_and_noted);
	RUN(a_key_may_take_another_model_and_it_is_told_and_noted);
	return tap_done();
}
