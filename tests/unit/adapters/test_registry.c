/* adapters/registry.c: the table of providers is complete. */
#include "adapters/adapter.h"
#include "tests/tap.h"

TEST(every_provider_is_found_by_its_name_and_can_do_everything)
{
	const struct adapter *a;

	for (unsigned i = 0; (a = adapter_at(i)) != NULL; i++) {
		CHECK(adapter_find(str_of(a->name)) == a);
		const struct wire *w = a->wire;

		CHECK(w->path && w->parse_answer && w->parse_event &&
		      w->parse_error);
		CHECK(!w->native == !w->patch);
		w = adapter_wire(a, &dialect_openai, ASK_EMBEDDINGS);
		CHECK(w == (a->vectors ? a->vectors : &wire_no_vectors));
		CHECK(w->path && w->write && w->parse_answer && w->parse_error);
		CHECK(!w->native == !w->patch);
	}
	CHECK(adapter_find(STR("no such provider")) == NULL);
	CHECK(adapter_find(STR("")) == NULL);
}

int
main(void)
{
	RUN(every_provider_is_found_by_its_name_and_can_do_everything);
	return tap_done();
}
