/* Interned texts. */
#include "billing/names.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

TEST(a_text_gets_one_number_for_ever)
{
	struct sample s;
	struct names n;
	uint32_t a, b, again;

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(names_load(&n, s.ledger, s.post.meta.n_names), STORE_OK);
	CHECK_INT(names_intern(&n, s.ledger, STR("new-a"), &a), STORE_OK);
	CHECK_INT(names_intern(&n, s.ledger, STR("new-b"), &b), STORE_OK);
	CHECK_INT(names_intern(&n, s.ledger, STR("new-a"), &again), STORE_OK);
	CHECK_INT(a, s.post.meta.n_names);
	CHECK_INT(b, a + 1);
	CHECK_INT(again, a);
	CHECK_STR(names_text(&n, a), "new-a");
	CHECK_STR(names_text(&n, NAME_NONE), "");
	CHECK_STR(names_text(&n, 9999), "?");
	CHECK_INT(names_intern(&n, s.ledger, STR_NONE, &again), STORE_OK);
	CHECK_INT(again, NAME_NONE);
	/* A NUL ends it: nobody can make two of one. */
	CHECK_INT(names_intern(&n, s.ledger, STR("new-a\0x"), &again),
		  STORE_OK);
	CHECK_INT(again, a);
	names_free(&n);
	ledger_end(s.ledger);
	sample_close(&s);
}

TEST(what_was_not_committed_is_forgotten)
{
	struct sample s;
	struct names n;
	uint32_t before, id, again;

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(names_load(&n, s.ledger, s.post.meta.n_names), STORE_OK);
	before = n.next;
	for (unsigned i = 0; i < 500; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "name-%u", i);
		CHECK_INT(names_intern(&n, s.ledger, str_of(text), &id),
			  STORE_OK);
	}
	names_forget(&n, before);
	CHECK_INT(n.next, before);
	CHECK_INT(names_intern(&n, s.ledger, STR("name-499"), &again),
		  STORE_OK);
	CHECK_INT(again, before);
	CHECK_INT(names_intern(&n, s.ledger, STR("openai-main"), &id),
		  STORE_OK);
	CHECK_INT(id, NAME_FIRST);
	names_free(&n);
	ledger_end(s.ledger);
	sample_close(&s);
}

TEST(beyond_the_limit_everything_is_other)
{
	struct sample s;
	struct names n;
	uint32_t id = 0;
	char text[16];

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(names_load(&n, s.ledger, s.post.meta.n_names), STORE_OK);
	for (uint32_t i = n.next; i <= NAMES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "name-%u", i);
		if (names_intern(&n, s.ledger, str_of(text), &id) != STORE_OK)
			break;
	}
	CHECK_INT(n.next, NAMES_MAX);
	CHECK_INT(id, NAME_OTHER);
	CHECK_STR(names_text(&n, id), "(other)");
	CHECK_INT(names_intern(&n, s.ledger, STR("name-60000"), &id), STORE_OK);
	CHECK_INT(id, 60000);
	names_free(&n);
	ledger_end(s.ledger);
	sample_close(&s);
}

TEST(a_missing_name_is_damage)
{
	struct sample s;
	struct names n;

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(names_load(&n, s.ledger, s.post.meta.n_names + 1),
		  STORE_DAMAGED);
	names_free(&n);
	CHECK_INT(names_load(&n, s.ledger, NAMES_MAX + 1), STORE_DAMAGED);
	names_free(&n);
	ledger_end(s.ledger);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_text_gets_one_number_for_ever);
	RUN(what_was_not_committed_is_forgotten);
	RUN(beyond_the_limit_everything_is_other);
	RUN(a_missing_name_is_damage);
	return tap_done();
}
