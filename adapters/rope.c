/* Text that grows piece by piece, without a copy of what was there. Called by
 * client dialects; pure. */
#include "adapters/rope.h"

#define ROPE_CHUNK_MIN 256u
#define ROPE_CHUNK_MAX 16384u

struct rope_chunk {
	struct rope_chunk *next;
	size_t n, room;
	char text[];
};

static struct rope_chunk *
rope_grow(struct arena *a, struct rope *r, size_t n)
{
	size_t room = r->last ? MIN_OF(r->last->room * 2, ROPE_CHUNK_MAX)
			      : ROPE_CHUNK_MIN;
	struct rope_chunk *c;

	room = MAX_OF(room, n);
	c = arena_alloc(a, sizeof(*c) + room);
	if (!c)
		return NULL;
	c->next = NULL;
	c->n = 0;
	c->room = room;
	if (r->last)
		r->last->next = c;
	else
		r->first = c;
	r->last = c;
	return c;
}

bool
rope_add(struct arena *a, struct rope *r, struct str s)
{
	struct rope_chunk *c = r->last;
	size_t n = c ? MIN_OF(c->room - c->n, s.n) : 0;

	if (n > 0) {
		memcpy(c->text + c->n, s.p, n);
		c->n += n;
	}
	s = str_from(s, n);
	if (s.n == 0)
		return true;
	c = rope_grow(a, r, s.n);
	if (!c)
		return false;
	memcpy(c->text, s.p, s.n);
	c->n = s.n;
	return true;
}

void
rope_write(struct buf *out, const struct rope *r)
{
	for (const struct rope_chunk *c = r->first; c; c = c->next)
		buf_add(out, c->text, c->n);
}

void
put_rope(struct json_out *o, const struct rope *r)
{
	json_put_raw(o, STR("\""));
	rope_write(o->buf, r);
	buf_add_char(o->buf, '"');
}

bool
rope_is_object(const struct rope *r)
{
	CLEANUP(buf_free) struct buf quoted = BUF_INIT, text = BUF_INIT;
	struct json_value root;
	struct json_error fault;
	struct json_out o;

	json_out_init(&o, &quoted);
	put_rope(&o, r);
	return !quoted.failed &&
	       json_unescape((struct json_value){JSON_STRING, buf_str(&quoted)},
			     &text) &&
	       json_valid(buf_str(&text), &root, &fault) &&
	       root.type == JSON_OBJECT;
}

bool
rope_join(struct arena *a, struct rope *r, const struct rope *more)
{
	for (const struct rope_chunk *c = more->first; c; c = c->next)
		if (!rope_add(a, r, str_make(c->text, c->n)))
			return false;
	return true;
}
