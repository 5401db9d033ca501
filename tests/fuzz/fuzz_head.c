/*
 * Heads of requests and answers: whatever comes, it is parsed without a read
 * beyond its end, and in one piece as in many.
 */
#include <stdlib.h>

#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum head_state
parse_by(const struct head_rules *rules, struct str text, size_t step,
	 struct http_head *head)
{
	struct head_scan scan = {0};
	struct head_fault fault;
	enum head_state state = HEAD_MORE;
	size_t n = 0;

	while (state == HEAD_MORE && n < text.n) {
		char *copy;

		n = MIN_OF(n + step, text.n);
		copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, text.p, n);
		state = head_parse(&scan, rules, str_make(copy, n), head,
				   &fault);
		if (state == HEAD_DONE && scan.size > n)
			abort();
		free(copy);
	}
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct http_head whole, split;
	struct head_rules rules = {.size = 1024, .fields = 8};
	struct str text;
	enum head_state a, b;

	if (size < 2 || size > 4096)
		return 0;
	rules.kind = bytes[0] & 1 ? HEAD_ANSWER : HEAD_REQUEST;
	rules.no_body = bytes[0] & 2;
	text = str_make((const char *)bytes + 2, size - 2);
	a = parse_by(&rules, text, size, &whole);
	b = parse_by(&rules, text, bytes[1] + 1u, &split);
	/* Which of them sees that an unfinished head is hopeless depends on
	 * the split; a finished one is one in both. */
	if ((a == HEAD_DONE) != (b == HEAD_DONE))
		abort();
	if (a == HEAD_DONE &&
	    (whole.n_fields != split.n_fields || whole.length != split.length ||
	     whole.body != split.body))
		abort();
	return 0;
}
