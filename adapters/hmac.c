/* Signed requests: the text that both sides make, and its HMAC. */
#include "adapters/hmac.h"

#include "base/digits.h"
#include "base/hash.h"

struct str
hmac_value(struct arena *a, struct str key, struct str method,
	   struct str target, uint64_t now_s, const struct pieces *body)
{
	char hex[2 * SHA256_BYTES];
	uint8_t hash[SHA256_BYTES];
	struct str text;

	sha256_pieces(body->iov, body->n, hash);
	hex_write(hex, hash, sizeof(hash));
	text = arena_printf(a, "%.*s\n%.*s\n%llu\n%.*s", STR_ARG(method),
			    STR_ARG(target), (unsigned long long)now_s,
			    (int)sizeof(hex), hex);
	if (text.n == 0)
		return STR_NONE;
	hmac_sha256(key.p, key.n, text.p, text.n, hash);
	hex_write(hex, hash, sizeof(hash));
	return arena_printf(a, "t=%llu,v1=%.*s", (unsigned long long)now_s,
			    (int)sizeof(hex), hex);
}
