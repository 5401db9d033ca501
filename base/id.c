/* Request ids: unique without coordination. Key texts: 256 random bits. */
#include "base/id.h"

#include "base/hash.h"

#define KEY_BYTES  32
#define KEY_DIGITS 43

void
id_source_init(struct id_source *s)
{
	random_bytes(&s->prefix, sizeof(s->prefix));
	s->next = 0;
}

/* A bijection, so two counts never meet (the finaliser of SplitMix64). */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

struct request_id
id_next(struct id_source *s)
{
	uint64_t low = mix(s->next++ ^ s->prefix);
	struct request_id id;

	memcpy(id.b, &s->prefix, 8);
	memcpy(id.b + 8, &low, 8);
	return id;
}

void
request_id_text(struct request_id id, char out[REQUEST_ID_TEXT])
{
	static const char hex[] = "0123456789abcdef";

	memcpy(out, "req_", 4);
	for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
		out[4 + 2 * i] = hex[id.b[i] >> 4];
		out[5 + 2 * i] = hex[id.b[i] & 15];
	}
	out[REQUEST_ID_TEXT - 1] = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
request_id_parse(struct str text, struct request_id *out)
{
	if (text.n != REQUEST_ID_TEXT - 1 || !str_starts(text, STR("req_")))
		return false;
	for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
		int high = hex_value(text.p[4 + 2 * i]);
		int low = hex_value(text.p[5 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		out->b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void
key_text_new(char out[KEY_TEXT])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz";
	uint8_t number[KEY_BYTES];

	random_bytes(number, sizeof(number));
	memcpy(out, "tg_", 3);
	/* 62^43 > 2^256: long division, so that no bit is lost or biased. */
	for (size_t d = KEY_DIGITS; d-- > 0;) {
		unsigned rest = 0;

		for (size_t i = 0; i < KEY_BYTES; i++) {
			unsigned v = rest << 8 | number[i];

			number[i] = (uint8_t)(v / 62);
			rest = v % 62;
		}
		out[3 + d] = digits[rest];
	}
	out[KEY_TEXT - 1] = '\0';
	bytes_wipe(number, sizeof(number));
}
