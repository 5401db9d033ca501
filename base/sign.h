#pragma once
/* Ed25519 signatures; RS256 for those who ask for it. */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

#define SIGN_SECRET 32 /* random bytes; nothing else is to be kept */
#define SIGN_PUBLIC 32
#define SIGN_BYTES  64

/* False: out of memory. */
NODISCARD bool sign_public(const uint8_t secret[SIGN_SECRET],
			   uint8_t out[SIGN_PUBLIC]);
NODISCARD bool sign_make(const uint8_t secret[SIGN_SECRET], struct str text,
			 uint8_t out[SIGN_BYTES]);
/* Is it the signature of `text` by the owner of this public key. */
NODISCARD bool sign_check(const uint8_t public_key[SIGN_PUBLIC],
			  struct str text, const uint8_t sign[SIGN_BYTES]);

/* RSA with SHA-256 (PKCS #1 v1.5) by a private key in PEM, behind `out`.
 * False: it is no such key, or out of memory. */
NODISCARD bool sign_rs256(struct str pem, struct str text, struct buf *out);

/* "-----BEGIN PUBLIC KEY-----" and so on. */
void sign_public_pem(struct buf *out, const uint8_t public_key[SIGN_PUBLIC]);
/* Reads that, or the 32 bytes in base 64; false: neither. */
NODISCARD bool sign_public_read(struct str text, uint8_t out[SIGN_PUBLIC]);
