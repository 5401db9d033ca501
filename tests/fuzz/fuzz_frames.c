/* Framings: the same events at any split, never one over the limit. The first
 * byte chooses the framing and the step. */
#include <stdlib.h>

#include "http/frames.h"

#define LIMIT 512

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct digest {
	uint64_t sum;
	unsigned events;
};

static void
mix(struct digest *d, struct str s)
{
	d->sum = (d->sum ^ s.n) * 1099511628211u;
	for (size_t i = 0; i < s.n; i++)
		d->sum = (d->sum ^ (unsigned char)s.p[i]) * 1099511628211u;
}

static bool
note(void *user, const struct sse_event *e)
{
	struct digest *d = user;

	if (e->name.n + e->data.n > 2 * LIMIT)
		abort();
	mix(d, e->name);
	mix(d, e->data);
	d->events++;
	return true;
}

static enum err
feed(enum frames_kind kind, struct str text, size_t step, struct digest *d,
     bool *unfinished)
{
	enum err e = E_OK;
	struct frames s;

	frames_init(&s, kind, LIMIT);
	for (size_t at = 0; at < text.n && e == E_OK; at += step) {
		size_t n = MIN_OF(step, text.n - at);
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, text.p + at, n);
		e = frames_feed(&s, str_make(copy, n), note, d);
		free(copy);
	}
	*unfinished = frames_unfinished(&s);
	frames_free(&s);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct digest a = {0, 0}, b = {0, 0};
	enum frames_kind kind;
	bool a_left, b_left;
	struct str text;
	enum err e, f;

	if (size < 2)
		return 0;
	text = str_make((const char *)bytes + 1, size - 1);
	kind = bytes[0] % 3;
	e = feed(kind, text, size, &a, &a_left);
	f = feed(kind, text, bytes[0] / 3 + 1u, &b, &b_left);
	if (e == E_OK && f == E_OK &&
	    (a.sum != b.sum || a.events != b.events || a_left != b_left))
		abort();
	if ((e == E_OK) != (f == E_OK))
		abort();
	return 0;
}
