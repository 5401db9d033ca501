/* Eight at once give what one by one gives. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/tap.h"

#define LONGEST 300u

TEST(every_length_gives_the_same_as_one_by_one)
{
	static uint8_t text[SHA256_LANES * LONGEST];
	uint8_t many[SHA256_LANES][SHA256_BYTES], one[SHA256_BYTES];
	unsigned wrong = 0;

	random_bytes(text, sizeof(text));
	for (size_t n = 0; n <= LONGEST; n++) {
		sha256_lanes(text, n, many);
		for (unsigned i = 0; i < SHA256_LANES; i++) {
			sha256(text + i * n, n, one);
			wrong += memcmp(one, many[i], sizeof(one)) != 0;
		}
	}
	CHECK_INT(wrong, 0);
}

int
main(void)
{
	RUN(every_length_gives_the_same_as_one_by_one);
	return tap_done();
}
