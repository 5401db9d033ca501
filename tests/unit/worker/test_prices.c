/* Which price a customer pays: the one in force, a pinned one, a discount. */
#include "base/arena.h"
#include "tests/unit/worker/fixture.h"
#include "worker/prices.h"

#define NEXT   MODELS /* a second price of gpt */
#define CHANGE 1000000ull

/* From CHANGE on gpt costs twice as much. */
static void
change_price(struct fixture *f)
{
	struct book *b = &f->region.books[0];

	b->rows[NEXT] = b->rows[MODEL_GPT];
	b->rows[NEXT].input.pico *= 2;
	b->rows[NEXT].effective_ms = CHANGE;
	b->rows[MODEL_GPT].next = NEXT + 1;
	b->n = MODELS + 1;
}

/* A pinned version that knows one model. */
static void
show_pin(struct fixture *f, uint32_t place, uint32_t version, const char *name,
	 int64_t pico)
{
	struct book *b = &f->region.books[place];

	memset(&b->rows[0], 0, sizeof(b->rows[0]));
	(void)str_copy(b->rows[0].name, MODEL_NAME, str_of(name));
	b->rows[0].input.pico = pico;
	b->n = 1;
	atomic_store(&b->version, version);
}

static enum err
choose(struct fixture *f, uint64_t now_ms, struct arena *a, struct priced *p)
{
	return prices_of(&f->w, a, ACME, &f->w.products[MODEL_GPT], now_ms, p);
}

TEST(the_last_price_that_is_effective_counts)
{
	struct fixture *f = fix_started();
	struct arena a;
	struct priced p;

	arena_init(&a);
	change_price(f);
	CHECK_INT(choose(f, CHANGE - 1, &a, &p), E_OK);
	CHECK_INT(p.index, MODEL_GPT);
	CHECK_INT(p.version, 7);
	CHECK_INT(choose(f, CHANGE, &a, &p), E_OK);
	CHECK_INT(p.index, NEXT);
	CHECK_INT(p.list_index, NEXT);
	CHECK_INT(p.row->input.pico, 5000000);
	/* sold from then on only */
	f->region.books[0].rows[MODEL_GPT].effective_ms = CHANGE / 2;
	CHECK_INT(choose(f, CHANGE / 2 - 1, &a, &p), E_NO_MODEL);
	CHECK_INT(choose(f, CHANGE / 2, &a, &p), E_OK);
	arena_free(&a);
	CHECK(fix_done(f));
}

TEST(a_pinned_account_keeps_its_price_and_new_models_have_the_current_one)
{
	struct fixture *f = fix_started();
	struct arena a;
	struct priced p;

	arena_init(&a);
	atomic_store(&f->acme->price_pin, 3);
	CHECK_INT(choose(f, 1, &a, &p), E_OVERLOAD); /* not shown */
	show_pin(f, BOOKS_LIVE + 5, 3, "gpt", 42);
	CHECK_INT(choose(f, 1, &a, &p), E_OK);
	CHECK_INT(p.version, 3);
	CHECK_INT(p.index, 0);
	CHECK_INT(p.row->input.pico, 42);
	CHECK_INT(p.list->input.pico, 2500000);
	CHECK_INT(p.list_index, MODEL_GPT);
	/* another version in its place */
	show_pin(f, BOOKS_LIVE + 5, 4, "other", 43);
	CHECK_INT(choose(f, 1, &a, &p), E_OVERLOAD);
	atomic_store(&f->acme->price_pin, 4);
	CHECK_INT(choose(f, 1, &a, &p), E_OK);
	CHECK_INT(p.version, 7);
	CHECK_INT(p.index, MODEL_GPT);
	arena_free(&a);
	CHECK(fix_done(f));
}

TEST(a_pinned_and_discounted_request_says_so_in_its_entry)
{
	struct fixture *f = fix_started();

	atomic_store(&f->acme->price_pin, 3);
	atomic_store(&f->acme->discount_ppm, 333333);
	show_pin(f, BOOKS_LIVE, 3, "gpt", 3000000);
	(void)fix_post(f, "/v1/chat/completions",
		       "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\","
		       "\"content\":\"Hi\"}]}");
	fix_answer(f, 200,
		   "{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,"
		   "\"message\":{\"role\":\"assistant\",\"content\":\"x\"},"
		   "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
		   "1000,\"completion_tokens\":17,\"total_tokens\":1017}}");
	fix_settle(f);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].note.multiplier_ppm, 666667);
	CHECK_INT(f->entry[0].cost, 2000001); /* 1000 x 3000 x 0.666667 */
	/* the operator's cost goes by the current list price, x 0.5 */
	CHECK_INT(f->entry[0].up_cost, 1335000);
	CHECK(fix_done(f));
}

TEST(without_its_pinned_price_an_account_is_not_served)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->acme->price_pin, 3);
	x = fix_post(f, "/v1/chat/completions",
		     "{\"model\":\"gpt\",\"messages\":[]}");
	fix_settle(f);
	CHECK_INT(x->status, 503);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_last_price_that_is_effective_counts);
	RUN(a_pinned_account_keeps_its_price_and_new_models_have_the_current_one);
	RUN(a_pinned_and_discounted_request_says_so_in_its_entry);
	RUN(without_its_pinned_price_an_account_is_not_served);
	return tap_done();
}
