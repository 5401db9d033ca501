/*
 * Owns the framings of upstream streams. Called for each piece of a
 * provider's stream.
 *
 * Hard: any split, without a copy in the usual case. Whole frames are read
 * where they lie, in the piece or in f->held; only the rest of a piece is
 * held. f->at keeps lines from being searched twice; a binary frame says its
 * length, so its first twelve bytes are read again until all of it is there.
 */
#include "http/frames.h"

#include "base/hash.h"
#include "base/json.h"

#define PRELUDE	 12u /* length, length of the fields, checksum */
#define CHECKSUM 4u
#define TYPE_MAX 128u

void
frames_init(struct frames *f, enum frames_kind kind, size_t limit)
{
	*f = (struct frames){.kind = kind};
	if (kind == FRAMES_SSE)
		sse_init(&f->sse, limit);
	else
		f->limit = limit;
}

void
frames_free(struct frames *f)
{
	if (f->kind == FRAMES_SSE)
		sse_free(&f->sse);
	else
		buf_free(&f->held);
}

size_t
frames_held(const struct frames *f)
{
	if (f->kind == FRAMES_SSE)
		return f->sse.line.cap + f->sse.data.cap;
	return f->held.cap;
}

bool
frames_unfinished(const struct frames *f)
{
	if (f->kind == FRAMES_SSE)
		return sse_unfinished(&f->sse);
	return f->held.n > 0;
}

/* Without the CR of a CRLF. */
static struct str
line_of(const char *p, size_t n)
{
	return str_make(p, n > 0 && p[n - 1] == '\r' ? n - 1 : n);
}

struct str
frames_last(const struct frames *f)
{
	return f->kind == FRAMES_LINES ? line_of(f->held.p, f->held.n)
				       : STR("");
}

enum outcome {
	SHORT, /* the frame is not all there */
	TAKEN,
	STOPPED,
	BROKEN,
	NO_ROOM,
};

/* ---- lines ---- */

/* The line at the begin of `text`; *n: its bytes with its end. */
static enum outcome
take_line(struct frames *f, struct str text, size_t *n, sse_fn *fn, void *user)
{
	struct sse_event event = {STR(""), STR("")};
	const char *end = memchr(text.p + f->at, '\n', text.n - f->at);

	if (!end) {
		f->at = text.n;
		return text.n > f->limit + 1 ? BROKEN : SHORT;
	}
	f->at = 0;
	*n = (size_t)(end - text.p) + 1;
	if (*n > f->limit + 2)
		return BROKEN;
	event.data = line_of(text.p, *n - 1);
	if (event.data.n == 0)
		return TAKEN;
	return fn(user, &event) ? TAKEN : STOPPED;
}

/* ---- AWS event stream ---- */

static uint32_t
load32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	       (uint32_t)u[2] << 8 | u[3];
}

/* The fields that matter; of others only the length. */
struct frame {
	struct str message_type;
	struct str event_type;
	struct str exception_type;
	struct str error_code;
	struct str error_message;
	struct str payload;
};

enum value_type {
	VALUE_TRUE,
	VALUE_FALSE,
	VALUE_BYTE,
	VALUE_SHORT,
	VALUE_INTEGER,
	VALUE_LONG,
	VALUE_BYTES,
	VALUE_STRING,
	VALUE_TIME,
	VALUE_UUID,
	VALUE_TYPES
};

/* Takes a field's value of this type off `rest`. */
static bool
take_value(unsigned type, struct str *rest, struct str *value)
{
	static const uint8_t sizes[VALUE_TYPES] = {
		[VALUE_BYTE] = 1, [VALUE_SHORT] = 2, [VALUE_INTEGER] = 4,
		[VALUE_LONG] = 8, [VALUE_TIME] = 8,  [VALUE_UUID] = 16,
	};
	size_t n;

	if (type >= VALUE_TYPES)
		return false;
	n = sizes[type];
	if (type == VALUE_BYTES || type == VALUE_STRING) {
		if (rest->n < 2)
			return false;
		n = (size_t)((unsigned char)rest->p[0] << 8 |
			     (unsigned char)rest->p[1]);
		*rest = str_from(*rest, 2);
	}
	if (rest->n < n)
		return false;
	*value = str_make(rest->p, n);
	*rest = str_from(*rest, n);
	return true;
}

static void
note_field(struct frame *f, struct str name, struct str value)
{
	const struct {
		struct str name;
		struct str *to;
	} known[] = {
		{STR(":message-type"), &f->message_type},
		{STR(":event-type"), &f->event_type},
		{STR(":exception-type"), &f->exception_type},
		{STR(":error-code"), &f->error_code},
		{STR(":error-message"), &f->error_message},
	};

	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(name, known[i].name))
			*known[i].to = value;
}

static bool
read_fields(struct frame *f, struct str rest)
{
	while (rest.n > 0) {
		size_t n = (unsigned char)rest.p[0];
		struct str name, value;
		unsigned type;

		if (n == 0 || rest.n < n + 2)
			return false;
		name = str_make(rest.p + 1, n);
		type = (unsigned char)rest.p[n + 1];
		rest = str_from(rest, n + 2);
		if (!take_value(type, &rest, &value))
			return false;
		if (type == VALUE_STRING)
			note_field(f, name, value);
	}
	return true;
}

/* "prefix" and a type, in `to`. */
static struct str
prefixed(char to[TYPE_MAX], struct str prefix, struct str type)
{
	size_t n = MIN_OF(type.n, TYPE_MAX - prefix.n);

	memcpy(to, prefix.p, prefix.n);
	memcpy(to + prefix.n, type.p, n);
	return str_make(to, prefix.n + n);
}

static enum outcome
give_error(const struct frame *frame, sse_fn *fn, void *user)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	char name[TYPE_MAX];
	struct sse_event event;
	struct json_out o;

	json_out_init(&o, &text);
	json_open(&o, '{');
	json_name(&o, "message");
	json_put_str(&o, frame->error_message);
	json_close(&o, '}');
	if (text.failed)
		return NO_ROOM;
	event.name = prefixed(name, STR("error:"), frame->error_code);
	event.data = buf_str(&text);
	return fn(user, &event) ? TAKEN : STOPPED;
}

/* An exception without a payload is one all the same. */
static enum outcome
give_frame(const struct frame *frame, sse_fn *fn, void *user)
{
	struct sse_event event = {frame->event_type, frame->payload};
	char name[TYPE_MAX];

	if (str_eq(frame->message_type, STR("error")))
		return give_error(frame, fn, user);
	if (str_eq(frame->message_type, STR("exception"))) {
		event.name = prefixed(name, STR("exception:"),
				      frame->exception_type);
		if (event.data.n == 0)
			event.data = STR("{}");
	} else if (!str_eq(frame->message_type, STR("event"))) {
		return BROKEN;
	}
	return fn(user, &event) ? TAKEN : STOPPED;
}

static enum outcome
take_frame(const struct frames *f, struct str text, size_t *n, sse_fn *fn,
	   void *user)
{
	struct frame frame = {.payload = STR("")};
	uint32_t total, fields;

	if (text.n < PRELUDE)
		return SHORT;
	total = load32(text.p);
	fields = load32(text.p + 4);
	if (crc32_ieee(0, text.p, PRELUDE - 4) != load32(text.p + 8) ||
	    total > f->limit || total < PRELUDE + CHECKSUM ||
	    fields > total - PRELUDE - CHECKSUM)
		return BROKEN;
	if (text.n < total)
		return SHORT;
	if (crc32_ieee(0, text.p, total - CHECKSUM) !=
		    load32(text.p + total - CHECKSUM) ||
	    !read_fields(&frame, str_make(text.p + PRELUDE, fields)))
		return BROKEN;
	*n = total;
	frame.payload = str_make(text.p + PRELUDE + fields,
				 total - PRELUDE - CHECKSUM - fields);
	return give_frame(&frame, fn, user);
}

/* ---- both ---- */

/* What `text` holds of a frame behind its whole ones. */
static bool
hold_rest(struct frames *f, struct str text, size_t from)
{
	if (f->held.n == 0)
		buf_add(&f->held, text.p + from, text.n - from);
	else if (from < text.n)
		buf_consume(&f->held, from);
	else
		buf_free(&f->held); /* an idle stream holds no memory */
	return !f->held.failed;
}

enum err
frames_feed(struct frames *f, struct str piece, sse_fn *fn, void *user)
{
	struct str text = piece;
	enum outcome o = TAKEN;
	size_t from = 0, n = 0;

	if (f->kind == FRAMES_SSE)
		return sse_feed(&f->sse, piece, fn, user);
	if (f->held.n > 0) {
		buf_add_str(&f->held, piece);
		text = buf_str(&f->held);
	}
	if (f->held.failed)
		return E_NO_MEMORY;
	while (o == TAKEN && from < text.n) {
		o = f->kind == FRAMES_LINES
			    ? take_line(f, str_from(text, from), &n, fn, user)
			    : take_frame(f, str_from(text, from), &n, fn, user);
		if (o == TAKEN)
			from += n;
	}
	if (o == STOPPED)
		return E_OK; /* the user may have freed `f` */
	if (o == BROKEN)
		return E_UP_BAD_RESPONSE;
	return o != NO_ROOM && hold_rest(f, text, from) ? E_OK : E_NO_MEMORY;
}
