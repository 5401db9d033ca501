/* adapters/vectors.c: numbers stay what they were. */
#include "tests/unit/adapters/vectors_way.h"

/* A vector as a client gets it; NULL: it is none. */
static const char *
kept(bool base64, const char *vector)
{
	struct conversation c;
	struct ask ask = {.kind = ASK_EMBEDDINGS, .talk = &c};
	struct json_value v;
	struct reply r;

	conversation_init(&c, &arena);
	reply_init(&r);
	if (!vectors_new(&c, "input") || !vectors_add(&c) ||
	    !json_valid(str_of(vector), &v, NULL) ||
	    reply_vectors(&arena, &ask, 1, &r) != E_OK)
		return "no memory";
	c.vectors->base64 = base64;
	if (reply_vector(&arena, &ask, &r, 0, v) != E_OK)
		return NULL;
	CHECK(reply_vector(&arena, &ask, &r, 0, v) == E_UP_BAD_RESPONSE);
	CHECK(reply_vector(&arena, &ask, &r, 1, v) == E_UP_BAD_RESPONSE);
	CHECK_INT(reply_vectors_end(&r), E_OK);
	return text_of("", r.vectors[0].raw);
}

TEST(text_that_may_stay_stays)
{
	CHECK_STR(kept(false, "[1.0, -0.00e+5 ,3]"), "[1.0, -0.00e+5 ,3]");
	CHECK_STR(kept(true, "\"AACAPw==\""), "\"AACAPw==\"");
	/* beyond a float, but nobody wants floats of it */
	CHECK_STR(kept(false, "[1e400]"), "[1e400]");
}

TEST(floats_are_the_same_either_way)
{
	CHECK_STR(kept(true, "[1]"), "\"AACAPw==\"");
	CHECK_STR(kept(true, "[-0, 0.1, -1.5]"), "\"AAAAgM3MzD0AAMC/\"");
	CHECK_STR(kept(false, "\"AAAAgM3MzD0AAMC/\""), "[-0,0.1,-1.5]");
	CHECK_STR(kept(true, "[-0,0.1,-1.5]"), "\"AAAAgM3MzD0AAMC/\"");
	/* a slash may be escaped */
	CHECK_STR(kept(false, "\"AAAAgM3MzD0AAMC\\/\""), "[-0,0.1,-1.5]");
}

TEST(what_is_no_vector_is_refused)
{
	static const char *const vectors[] = {
		"[]",		"{}",	  "1",	       "null",
		"[null]",	"[true]", "[[1]]",     "[\"1\"]",
		"[{}]",		"[ ]",	  "\"\"",      "\"AAA=\"",
		"\"AADAfw==\"", "\"*\"",  "[1,false]", "\"AA\"",
		"\"AAAA\""};

	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		CHECK(!kept(false, vectors[i]));
		CHECK(!kept(true, vectors[i]));
	}
	CHECK(!kept(true, "[1e400]"));
}

TEST(a_missing_one_is_noticed)
{
	struct conversation c;
	struct ask ask = {.kind = ASK_EMBEDDINGS, .talk = &c};
	struct json_value v = {JSON_ARRAY, STR("[1]")};
	struct reply r;

	conversation_init(&c, &arena);
	reply_init(&r);
	CHECK(vectors_new(&c, "input") && vectors_add(&c) && vectors_add(&c));
	CHECK_INT(reply_vectors(&arena, &ask, 7, &r), E_OK);
	CHECK_INT(r.n_vectors, 2);
	CHECK_INT(reply_vector(&arena, &ask, &r, 1, v), E_OK);
	CHECK_INT(reply_vectors_end(&r), E_UP_BAD_RESPONSE);
	CHECK_INT(reply_vector(&arena, &ask, &r, 0, v), E_OK);
	CHECK_INT(reply_vectors_end(&r), E_OK);
}

TEST(tasks_have_words)
{
	enum vector_task task;

	CHECK(vector_task_of(STR("passage"), &task) && task == TASK_DOCUMENT);
	CHECK_STR(vector_task_word(TASK_DOCUMENT), "RETRIEVAL_DOCUMENT");
	CHECK(!vector_task_word(TASK_UNSAID));
	CHECK(!vector_task_of(STR("Query"), &task));
}

int
main(void)
{
	arena_init(&arena);
	RUN(text_that_may_stay_stays);
	RUN(floats_are_the_same_either_way);
	RUN(what_is_no_vector_is_refused);
	RUN(a_missing_one_is_noticed);
	RUN(tasks_have_words);
	arena_free(&arena);
	return tap_done();
}
