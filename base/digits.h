#pragma once
/*
 * Digits: whole numbers as decimal ones, for the places that write several of
 * them a request (everything else uses buf_add_u64() or printf), and hex
 * digits. Pure.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 20 /* of UINT64_MAX */

/* "00", "01", ... "99" behind each other. */
extern const char digit_pairs[200];

/* How many digits `v` has. */
static inline unsigned
digits_count(uint64_t v)
{
	unsigned n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* Writes `v` at `out`, not terminated; returns how many digits. */
static inline size_t
digits_write(char out[DIGITS_MAX], uint64_t v)
{
	unsigned n = digits_count(v), at = n;

	for (; v >= 100; v /= 100) {
		at -= 2;
		memcpy(out + at, digit_pairs + 2 * (v % 100), 2);
	}
	if (v >= 10)
		memcpy(out, digit_pairs + 2 * v, 2);
	else
		out[0] = (char)('0' + v);
	return n;
}

/* Two hex digits, of lower case, for each byte; not terminated. */
static inline void
hex_write(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
}

/* The value of a hex digit, -1 for other bytes. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
