/*
 * Owns the grammar of the chunked coding (RFC 9112, 7.1), without the room
 * for interpretation: a size is 1 to 15 hexadecimal digits and nothing else,
 * lines end with CR LF.
 */
#include "http/chunked.h"

#include <string.h>

#include "base/digits.h"

#define SIZE_DIGITS  15
#define OVERHEAD_MAX (16 * 1024)

enum {
	SIZE,	    /* digits of a chunk's size */
	EXTENSION,  /* after ';', up to CR */
	SIZE_LF,    /* the LF after a size */
	CONTENT,    /* `left` bytes */
	CONTENT_CR, /* after a chunk's content */
	CONTENT_LF,
	TRAILER,       /* at the start of a trailer line */
	TRAILER_NAME,  /* in a field name */
	TRAILER_VALUE, /* after the colon */
	TRAILER_LF,    /* the LF of a trailer line */
	LAST_LF,       /* the LF of the blank line */
	DONE
};

static bool
is_name(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_text(char c)
{
	return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

static bool
take_size(struct chunked *c, char b)
{
	int digit = hex_digit(b);

	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned)digit;
		return c->digits++ < SIZE_DIGITS;
	}
	if (c->digits == 0)
		return false;
	c->state = b == ';' ? EXTENSION : SIZE_LF;
	return b == ';' || b == '\r';
}

/* Extension and trailer text ends with CR and holds no control bytes. */
static bool
take_text(struct chunked *c, char b, uint8_t next)
{
	if (b == '\r') {
		c->state = next;
		return true;
	}
	return is_text(b) && ++c->overhead <= OVERHEAD_MAX;
}

static bool
take_trailer(struct chunked *c, char b)
{
	if (c->state == TRAILER && b == '\r') {
		c->state = LAST_LF;
		return true;
	}
	if (c->state == TRAILER_NAME && b == ':')
		c->state = TRAILER_VALUE;
	else if (is_name(b))
		c->state = TRAILER_NAME;
	else
		return false;
	return ++c->overhead <= OVERHEAD_MAX;
}

static bool
take_lf(struct chunked *c, char b, uint8_t next)
{
	c->state = next;
	return b == '\n';
}

/* One byte of framing. */
static bool
take(struct chunked *c, char b)
{
	switch (c->state) {
	case SIZE: return take_size(c, b);
	case EXTENSION: return take_text(c, b, SIZE_LF);
	case SIZE_LF: return take_lf(c, b, c->left ? CONTENT : TRAILER);
	case CONTENT_CR: c->state = CONTENT_LF; return b == '\r';
	case CONTENT_LF: c->digits = 0; return take_lf(c, b, SIZE);
	case TRAILER:
	case TRAILER_NAME: return take_trailer(c, b);
	case TRAILER_VALUE: return take_text(c, b, TRAILER_LF);
	case TRAILER_LF: return take_lf(c, b, TRAILER);
	case LAST_LF: return take_lf(c, b, DONE);
	default: return false;
	}
}

enum chunk_state
chunked_next(struct chunked *c, struct str *in, struct str *piece)
{
	while (in->n > 0 && c->state != DONE) {
		if (c->state == CONTENT) {
			size_t n = MIN_OF(in->n, c->left);

			*piece = str_make(in->p, n);
			*in = str_make(in->p + n, in->n - n);
			c->left -= n;
			if (c->left == 0)
				c->state = CONTENT_CR;
			return CHUNK_DATA;
		}
		if (!take(c, in->p[0]))
			return CHUNK_BAD;
		*in = str_make(in->p + 1, in->n - 1);
	}
	return c->state == DONE ? CHUNK_END : CHUNK_MORE;
}

enum chunk_state
chunked_squeeze(struct chunked *c, char *bytes, size_t size, size_t *n,
		size_t *used)
{
	struct str in = str_make(bytes, size);
	struct str piece;
	enum chunk_state state;

	*n = 0;
	while ((state = chunked_next(c, &in, &piece)) == CHUNK_DATA) {
		memmove(bytes + *n, piece.p, piece.n);
		*n += piece.n;
	}
	*used = size - in.n;
	return state;
}
