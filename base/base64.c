/* Base 64. */
#include "base/base64.h"

static const char plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
put(struct buf *out, const uint8_t *p, size_t n, const char *digits, bool pad)
{
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)p[i] << 16 |
			     (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0u);

		buf_add_char(out, digits[v >> 18 & 63]);
		buf_add_char(out, digits[v >> 12 & 63]);
		if (left > 1)
			buf_add_char(out, digits[v >> 6 & 63]);
		else if (pad)
			buf_add_char(out, '=');
		if (left > 2)
			buf_add_char(out, digits[v & 63]);
		else if (pad)
			buf_add_char(out, '=');
	}
}

void
base64_put(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, plain, true);
}

void
base64url_put(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, url, false);
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool
base64_get(struct str text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned n = 0;

	while (text.n > 0 && text.p[text.n - 1] == '=')
		text.n--;
	if (text.n % 4 == 1)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		int d = digit(text.p[i]);

		if (d < 0)
			return false;
		bits = (bits << 6 | (uint32_t)d) & 0xffffff;
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_add_char(out, (char)(bits >> n));
			bits &= (1u << n) - 1;
		}
	}
	return bits == 0 && !out->failed;
}
