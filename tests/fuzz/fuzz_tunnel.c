/* What a proxy answers to CONNECT: any bytes are judged without harm, and in
 * pieces no other way than whole. */
#include <stdlib.h>

#include "http/egress.h"
#include "tests/fuzz/replay.h"

static enum tunnel_state
judge(struct str text, size_t step)
{
	static const struct egress way = {.host = {"h", 1}, .port = 1};
	struct tunnel *t = tunnel_new(&way);
	enum tunnel_state state = TUNNEL_READS;
	char why[TUNNEL_WHY];

	if (!t)
		return state;
	for (size_t at = 0; at < text.n && state == TUNNEL_READS; at += step)
		state = tunnel_hear(
			t, str_make(text.p + at, MIN_OF(step, text.n - at)),
			why);
	tunnel_free(t);
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str text = str_make((const char *)input, n);
	enum tunnel_state whole = judge(text, n + 1), pieces = judge(text, 1);

	/* In pieces it is open before what comes too early has come, and a
	 * head that has no end yet may be known to be bad already. */
	if (pieces != whole && whole != TUNNEL_FAILED &&
	    !(whole == TUNNEL_READS && pieces == TUNNEL_FAILED))
		abort();
	return 0;
}
