/* Forms: the same parts at any split, each within the body. */
#include <stdlib.h>

#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct digest {
	uint64_t sum, end;
	unsigned parts;
};

static bool
note(void *user, const struct multipart_part *p)
{
	struct digest *d = user;

	if (p->at < d->end || d->parts++ >= MULTIPART_PARTS)
		abort();
	d->end = p->at + p->n;
	d->sum = (d->sum ^ p->at ^ p->n << 20 ^ p->file) * 1099511628211u;
	for (const char *c = p->name; *c; c++)
		d->sum = (d->sum ^ (unsigned char)*c) * 1099511628211u;
	return true;
}

static bool
feed(struct str boundary, struct str text, size_t step, struct digest *d)
{
	struct multipart m;
	enum err e = E_OK;

	multipart_init(&m, boundary);
	for (size_t at = 0; at < text.n && e == E_OK; at += step) {
		size_t n = MIN_OF(step, text.n - at);
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, text.p + at, n);
		e = multipart_feed(&m, str_make(copy, n), note, d);
		free(copy);
	}
	if (d->end > text.n)
		abort();
	return e == E_OK && multipart_ended(&m);
}

/* A step, a content-type up to the first line's end, the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct digest a = {0, 0, 0}, b = {0, 0, 0};
	struct str rest, type, boundary;

	if (size < 2)
		return 0;
	rest = str_make((const char *)bytes + 1, size - 1);
	type = str_cut(&rest, '\n');
	if (!multipart_boundary(type, &boundary))
		boundary = STR("b");
	if (rest.n == 0)
		return 0;
	if (feed(boundary, rest, rest.n, &a) !=
		    feed(boundary, rest, bytes[0] + 1u, &b) ||
	    a.sum != b.sum || a.parts != b.parts)
		abort();
	return 0;
}
