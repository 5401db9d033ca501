/* Money texts: what is read is written and read again as the same amount,
 * and a cost agrees with one computed in another order. */
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "tests/fuzz/replay.h"

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void
round_trip(struct str text)
{
	struct money m, m2;
	struct price p, p2;
	uint32_t ppm, ppm2;
	char out[MONEY_TEXT];

	if (money_parse(text, &m)) {
		size_t n = money_text(m, out);

		REQUIRE(n == strlen(out) && n < MONEY_TEXT);
		REQUIRE(money_parse(str_of(out), &m2) && m.nano == m2.nano);
	}
	if (price_parse(text, &p)) {
		(void)price_text(p, out);
		REQUIRE(price_parse(str_of(out), &p2) && p.pico == p2.pico);
	}
	if (ppm_parse(text, &ppm)) {
		(void)ppm_text(ppm, out);
		REQUIRE(ppm_parse(str_of(out), &ppm2) && ppm == ppm2);
	}
}

/* The cost of two classes together and apart. */
static void
cost_agrees(const uint8_t *input)
{
	struct priced_tokens c[2];
	uint64_t word[4];
	uint32_t ppm;
	struct money all, one, other, sum;

	memcpy(word, input, sizeof(word));
	memcpy(&ppm, input + sizeof(word), sizeof(ppm));
	for (int i = 0; i < 2; i++)
		c[i] = (struct priced_tokens){word[i] >>
						      (word[2] >> (8 * i) & 63),
					      {(int64_t)(word[2 + i] >> 1)}};
	if (!money_cost(c, 2, ppm, &all))
		return;
	/* One class alone costs no more; both apart cost at most one
	 * rounding more than both together. */
	REQUIRE(money_cost(c, 1, ppm, &one));
	REQUIRE(money_cost(c + 1, 1, ppm, &other));
	REQUIRE(one.nano >= 0 && one.nano <= all.nano);
	if (money_add(one, other, &sum))
		REQUIRE(sum.nano == all.nano || sum.nano == all.nano + 1);
	else
		REQUIRE(all.nano == INT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	round_trip(str_make((const char *)input, n));
	if (n >= 36)
		cost_agrees(input);
	return 0;
}
