/* Receipts: any text is refused or read, and what a signer signs by mistake
 * is read without harm. */
#include <stdlib.h>

#include "billing/receipt.h"
#include "tests/fuzz/replay.h"

static const uint8_t secret[SIGN_SECRET] = {1, 2, 3};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT, payload = BUF_INIT;
	struct str in = {(const char *)data, size};
	uint8_t public_key[SIGN_PUBLIC];
	struct receipt r;

	if (!sign_public(secret, public_key))
		return 0;
	/* Nobody but the signer makes one that passes. */
	if (receipt_check(in, public_key, &payload, &r) == RECEIPT_FINE)
		abort();
	if (!receipt_sign(&text, in, secret))
		return 0;
	if (receipt_check(buf_str(&text), public_key, &payload, &r) ==
	    RECEIPT_FORGED)
		abort();
	if (sign_public_read(in, public_key) && size < 32)
		abort();
	return 0;
}
