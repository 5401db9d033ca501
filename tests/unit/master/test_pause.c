/* How long a place stays empty after its process died. */
#include "base/clock.h"
#include "master/pause.h"
#include "tests/tap.h"

TEST(the_first_replacement_is_immediate_then_pauses_double_to_a_bound)
{
	static const uint32_t want[] = {0,    100,  200,  400, 800,
					1600, 3200, 5000, 5000};
	uint32_t pause = 0;

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK_INT(pause, want[i]);
		pause = pause_next(pause, NS_PER_SEC);
	}
}

TEST(ten_seconds_of_life_are_forgiven)
{
	CHECK_INT(pause_next(5000, 10 * NS_PER_SEC), 0);
	CHECK_INT(pause_next(5000, 10 * NS_PER_SEC - 1), 5000);
}

int
main(void)
{
	RUN(the_first_replacement_is_immediate_then_pauses_double_to_a_bound);
	RUN(ten_seconds_of_life_are_forgiven);
	return tap_done();
}
