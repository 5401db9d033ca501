/* The ledger entry: its layout is for ever, its seal finds every change. */
#include <string.h>

#include "base/hash.h"
#include "billing/usage.h"
#include "shm/counters.h"
#include "tests/tap.h"

static const uint8_t start[ENTRY_CHAIN];

static struct entry
some_entry(void)
{
	return (struct entry){
		.seq = 1,
		.kind = KIND_REQUEST,
		.moves = MOVES_ACCOUNT | MOVES_PARENT | MOVES_KEY,
		.account = 3,
		.parent = 4,
		.key = 5,
		.charge_nano = 77,
	};
}

TEST(the_layout_is_that_of_version_1)
{
	CHECK_INT(offsetof(struct entry, seq), 0);
	CHECK_INT(offsetof(struct entry, kind), 9);
	CHECK_INT(offsetof(struct entry, epoch), 12);
	CHECK_INT(offsetof(struct entry, account), 24);
	CHECK_INT(offsetof(struct entry, channel), 36);
	CHECK_INT(offsetof(struct entry, model), 52);
	CHECK_INT(offsetof(struct entry, error_type), 56);
	CHECK_INT(offsetof(struct entry, tokens), 64);
	CHECK_INT(offsetof(struct entry, hold_nano), 88);
	CHECK_INT(offsetof(struct entry, balance_nano), 120);
	CHECK_INT(offsetof(struct entry, first_byte_us), 144);
	CHECK_INT(offsetof(struct entry, ref), 152);
	CHECK_INT(offsetof(struct entry, upstream_id), 184);
	CHECK_INT(offsetof(struct entry, crc), 252);
	CHECK_INT(sizeof(struct entry), 256);
	CHECK_INT(KIND_REQUEST, 1);
	CHECK_INT(KIND_CORRECTION, 6);
}

TEST(an_attempt_names_up_to_three_caps)
{
	static const uint32_t caps[] = {7, 0, SHM_CAPS - 1};
	struct entry e = some_entry();
	uint32_t out[ENTRY_MOVES];

	e.kind = KIND_CAP;
	e.moves = MOVES_CAPS;
	for (unsigned n = 1; n <= 3; n++) {
		e.ref = entry_caps_ref(caps, n, 20000);
		CHECK_INT(entry_counters(&e, out), n);
		for (unsigned i = 0; i < n; i++)
			CHECK_INT(out[i], counter_of_cap(caps[i]));
		entry_seal(&e, start);
		CHECK_INT(entry_check(&e, start), ENTRY_FINE);
	}
	/* with one it is as it was when there was no other */
	CHECK_INT(entry_caps_ref(caps, 1, 20000), entry_ref(7, 20000));
}

TEST(caps_that_cannot_be_are_found)
{
	static const uint32_t twice[] = {3, 4, 3}, beyond[] = {3, SHM_CAPS};
	struct entry e = some_entry();

	e.kind = KIND_ATTEMPT;
	e.moves = MOVES_CAPS;
	e.ref = entry_caps_ref(twice, 3, 1);
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
	e.ref = entry_caps_ref(beyond, 2, 1);
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
}

TEST(a_window_of_a_cap_names_one)
{
	struct entry e = some_entry();
	uint32_t out[ENTRY_MOVES];

	e.kind = KIND_ROLLOVER;
	e.moves = MOVES_CAPS;
	e.ref = entry_ref(5, 70000);
	CHECK_INT(entry_counters(&e, out), 1);
	CHECK_INT(out[0], counter_of_cap(5));
	CHECK_INT(entry_window(&e), 70000);
}

/* The chain by its definition. */
TEST(the_chain_is_a_sha256_over_the_one_before_and_the_entry)
{
	uint8_t text[16 + 228], digest[SHA256_BYTES];
	struct entry e = some_entry();

	entry_seal(&e, start);
	memset(text, 0, 16);
	memcpy(text + 16, &e, 228);
	sha256(text, sizeof(text), digest);
	CHECK(memcmp(digest, e.chain, 16) == 0);
	CHECK_INT(e.crc, crc32c(0, &e, 252));
}

TEST(every_flipped_bit_is_found)
{
	struct entry e = some_entry();
	unsigned missed = 0;

	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_FINE);
	for (size_t i = 0; i < sizeof(e); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			((uint8_t *)&e)[i] ^= (uint8_t)(1u << bit);
			missed += entry_check(&e, start) == ENTRY_FINE;
			((uint8_t *)&e)[i] ^= (uint8_t)(1u << bit);
		}
	}
	CHECK_INT(missed, 0);
}

TEST(a_change_with_a_new_checksum_breaks_the_chain)
{
	struct entry e = some_entry();
	uint8_t other[ENTRY_CHAIN] = {1};

	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, other), ENTRY_BAD_CHAIN);
	e.charge_nano = 76;
	e.crc = crc32c(0, &e, 252);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_CHAIN);
}

TEST(values_that_no_writer_stores_are_refused)
{
	struct entry e = some_entry();

	e.kind = KIND_COUNT;
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
	e = some_entry();
	e.moves = 16;
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
	e = some_entry();
	e.account = SHM_ACCOUNTS;
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
	e = some_entry();
	e.rule = ENTRY_RULES + 1;
	entry_seal(&e, start);
	CHECK_INT(entry_check(&e, start), ENTRY_BAD_FIELD);
}

TEST(an_entry_moves_the_counters_it_says)
{
	struct entry e = some_entry();
	uint32_t c[ENTRY_MOVES];

	CHECK_INT(entry_counters(&e, c), 3);
	CHECK_INT(c[0], counter_of_account(3));
	CHECK_INT(c[1], counter_of_account(4));
	CHECK_INT(c[2], counter_of_key(5));
	e.moves = MOVES_KEY;
	CHECK_INT(entry_counters(&e, c), 1);
	CHECK_INT(c[0], counter_of_key(5));
	e.moves = 0;
	CHECK_INT(entry_counters(&e, c), 0);
}

TEST(absorbed_is_what_no_charge_covers)
{
	CHECK_INT(entry_absorbed(10, 4), 6);
	CHECK_INT(entry_absorbed(4, 10), 0);
	CHECK_INT(entry_absorbed(INT64_MAX, -1), INT64_MAX);
}

TEST(every_code_has_its_word)
{
	CHECK_STR(entry_kind_name(KIND_REVERSAL), "reversal");
	CHECK_STR(entry_kind_name(0), "unknown");
	CHECK_STR(entry_kind_name(200), "unknown");
	CHECK_STR(entry_reason_name(REASON_REAPED), "reaped");
	CHECK_STR(entry_reason_name(200), "unknown");
	CHECK_STR(entry_source_name(USAGE_COUNTED), "counted");
	CHECK_STR(entry_source_name(200), "unknown");
	CHECK_STR(entry_route_name(ENDPOINT_EMBEDDINGS), "/v1/embeddings");
	CHECK_STR(entry_route_name(200), "unknown");
}

int
main(void)
{
	RUN(the_layout_is_that_of_version_1);
	RUN(an_attempt_names_up_to_three_caps);
	RUN(caps_that_cannot_be_are_found);
	RUN(a_window_of_a_cap_names_one);
	RUN(the_chain_is_a_sha256_over_the_one_before_and_the_entry);
	RUN(every_flipped_bit_is_found);
	RUN(a_change_with_a_new_checksum_breaks_the_chain);
	RUN(values_that_no_writer_stores_are_refused);
	RUN(an_entry_moves_the_counters_it_says);
	RUN(absorbed_is_what_no_charge_covers);
	RUN(every_code_has_its_word);
	return tap_done();
}
