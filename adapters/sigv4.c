/*
 * AWS Signature Version 4. What is signed is a text that both sides make of
 * the request in the same way; the key is derived from the secret, the day,
 * the region and the service.
 */
#include "adapters/sigv4.h"

#include "base/clock.h"
#include "base/digits.h"
#include "base/hash.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define DAY	   8 /* 20150830 */
#define PARAMETERS 32u
#define FIELDS	   4u

void
sigv4_time(uint64_t now_s, char out[SIGV4_TIME + 1])
{
	char text[TIME_TEXT];
	char *at = out;

	/* 2015-08-30T12:36:00Z without what separates */
	(void)time_text(now_s * NS_PER_SEC, 0, text);
	for (const char *p = text; *p; p++)
		if (*p != '-' && *p != ':' && at < out + SIGV4_TIME)
			*at++ = *p;
	*at = '\0';
}

static bool
comes_before(struct str a, struct str b)
{
	int order = memcmp(a.p, b.p, MIN_OF(a.n, b.n));

	return order < 0 || (order == 0 && a.n < b.n);
}

/* Sorted; one without a value gets an empty one. */
static void
add_query(struct buf *out, struct str query)
{
	struct str sorted[PARAMETERS];
	unsigned n = 0;

	while (query.n > 0 && n < PARAMETERS) {
		struct str one = str_cut(&query, '&');
		unsigned at = n++;

		for (; at > 0 && comes_before(one, sorted[at - 1]); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = one;
	}
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, '&');
		buf_add_str(out, sorted[i]);
		if (str_find(sorted[i], '=') < 0)
			buf_add_char(out, '=');
	}
}

static void
add_names(struct buf *out, const struct sigv4_request *r)
{
	for (unsigned i = 0; i < r->n_fields; i++) {
		if (i > 0)
			buf_add_char(out, ';');
		buf_add_str(out, r->fields[i].name);
	}
}

/* The text of the request that is signed. */
static void
add_canonical(struct buf *out, const struct sigv4_request *r)
{
	struct str query = r->target;
	struct str path = str_cut(&query, '?');

	buf_add_str(out, r->method);
	buf_add_char(out, '\n');
	buf_add_percent(out, path.n ? path : STR("/"), "/");
	buf_add_char(out, '\n');
	add_query(out, query);
	buf_add_char(out, '\n');
	for (unsigned i = 0; i < r->n_fields; i++) {
		buf_add_str(out, r->fields[i].name);
		buf_add_char(out, ':');
		buf_add_str(out, str_trim(r->fields[i].value));
		buf_add_char(out, '\n');
	}
	buf_add_char(out, '\n');
	add_names(out, r);
	buf_add_char(out, '\n');
	buf_add_str(out, r->body_hash);
}

/* "20150830/us-east-1/bedrock/aws4_request" */
static void
add_scope(struct buf *out, const struct sigv4_scope *s, const char *time)
{
	buf_add(out, time, DAY);
	buf_add_char(out, '/');
	buf_add_str(out, s->region);
	buf_add_char(out, '/');
	buf_add_str(out, s->service);
	buf_add_cstr(out, "/aws4_request");
}

static void
add_hex(struct buf *out, const uint8_t hash[SHA256_BYTES])
{
	char text[2 * SHA256_BYTES];

	hex_write(text, hash, SHA256_BYTES);
	buf_add(out, text, sizeof(text));
}

static void
mac_step(uint8_t key[SHA256_BYTES], struct str text)
{
	uint8_t next[SHA256_BYTES];

	hmac_sha256(key, SHA256_BYTES, text.p, text.n, next);
	memcpy(key, next, SHA256_BYTES);
	bytes_wipe(next, sizeof(next));
}

/* False: out of memory. */
static bool
sign(const struct sigv4_scope *s, const char *time, struct str text,
     uint8_t out[SHA256_BYTES])
{
	CLEANUP(buf_free) struct buf first = BUF_INIT;

	buf_add_cstr(&first, "AWS4");
	buf_add_str(&first, s->secret);
	if (first.failed)
		return false;
	hmac_sha256(first.p, first.n, time, DAY, out);
	bytes_wipe(first.p, first.n);
	mac_step(out, s->region);
	mac_step(out, s->service);
	mac_step(out, STR("aws4_request"));
	mac_step(out, text);
	return true;
}

/* The signature in hex behind `out`. */
static void
add_signature(struct buf *out, const struct sigv4_scope *s, const char *time,
	      const struct sigv4_request *r)
{
	CLEANUP(buf_free) struct buf canonical = BUF_INIT, text = BUF_INIT;
	uint8_t hash[SHA256_BYTES];

	add_canonical(&canonical, r);
	sha256(canonical.p, canonical.n, hash);
	buf_add_cstr(&text, ALGORITHM "\n");
	buf_add_cstr(&text, time);
	buf_add_char(&text, '\n');
	add_scope(&text, s, time);
	buf_add_char(&text, '\n');
	add_hex(&text, hash);
	if (canonical.failed || text.failed ||
	    !sign(s, time, buf_str(&text), hash))
		out->failed = true;
	else
		add_hex(out, hash);
}

struct str
sigv4_authorization(struct arena *a, const struct sigv4_scope *s,
		    const struct sigv4_request *r)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	char time[SIGV4_TIME + 1];

	sigv4_time(s->now_s, time);
	buf_add_cstr(&out, ALGORITHM " Credential=");
	buf_add_str(&out, s->key_id);
	buf_add_char(&out, '/');
	add_scope(&out, s, time);
	buf_add_cstr(&out, ", SignedHeaders=");
	add_names(&out, r);
	buf_add_cstr(&out, ", Signature=");
	add_signature(&out, s, time, r);
	return out.failed ? STR_NONE : arena_dup(a, buf_str(&out));
}

struct str
sigv4_lines(struct arena *a, const struct sigv4_scope *s, struct str session,
	    struct str host, struct str target, const struct pieces *body)
{
	char time[SIGV4_TIME + 1], hex[2 * SHA256_BYTES];
	uint8_t hash[SHA256_BYTES];
	struct sigv4_field fields[FIELDS] = {
		{STR("host"), host},
		{STR("x-amz-content-sha256"), str_make(hex, sizeof(hex))},
		{STR("x-amz-date"), str_make(time, SIGV4_TIME)},
		{STR("x-amz-security-token"), session},
	};
	struct sigv4_request r = {
		.method = STR("POST"),
		.target = target,
		.fields = fields,
		.n_fields = FIELDS - (session.n == 0),
		.body_hash = str_make(hex, sizeof(hex)),
	};
	struct str value;

	sigv4_time(s->now_s, time);
	sha256_pieces(body->iov, body->n, hash);
	hex_write(hex, hash, sizeof(hash));
	value = sigv4_authorization(a, s, &r);
	if (value.n == 0)
		return STR_NONE;
	return arena_printf(a,
			    "x-amz-date: %s\r\nx-amz-content-sha256: %.*s\r\n"
			    "%s%.*s%sauthorization: %.*s\r\n",
			    time, (int)sizeof(hex), hex,
			    session.n ? "x-amz-security-token: " : "",
			    STR_ARG(session), session.n ? "\r\n" : "",
			    STR_ARG(value));
}
