/* Ed25519 and RSA, by OpenSSL. */
#include "base/sign.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.h"

/* What stands before the 32 bytes in DER: SubjectPublicKeyInfo of 1.3.101.112.
 */
static const uint8_t der_head[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
				     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
static const struct str pem_begin = {"-----BEGIN PUBLIC KEY-----", 26};
static const struct str pem_end = {"-----END PUBLIC KEY-----", 24};

bool
sign_public(const uint8_t secret[SIGN_SECRET], uint8_t out[SIGN_PUBLIC])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
						     secret, SIGN_SECRET);
	size_t n = SIGN_PUBLIC;
	bool ok = key && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 &&
		  n == SIGN_PUBLIC;

	EVP_PKEY_free(key);
	return ok;
}

bool
sign_make(const uint8_t secret[SIGN_SECRET], struct str text,
	  uint8_t out[SIGN_BYTES])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
						     secret, SIGN_SECRET);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = SIGN_BYTES;
	bool ok = key && ctx &&
		  EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestSign(ctx, out, &n, (const uint8_t *)text.p,
				 text.n) == 1 &&
		  n == SIGN_BYTES;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

bool
sign_check(const uint8_t public_key[SIGN_PUBLIC], struct str text,
	   const uint8_t sign[SIGN_BYTES])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
						    public_key, SIGN_PUBLIC);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = key && ctx &&
		  EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, sign, SIGN_BYTES,
				   (const uint8_t *)text.p, text.n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

#define RSA_BYTES_MAX 2048 /* of a signature */

/* Nobody is asked for the passphrase of a key that has one. */
static int
no_passphrase(char *room, int n, int write, void *user)
{
	(void)write;
	(void)user;
	if (n > 0)
		room[0] = '\0';
	return -1;
}

static EVP_PKEY *
read_rsa(struct str pem)
{
	BIO *bio = pem.n > 0 && pem.n < INT_MAX
			   ? BIO_new_mem_buf(pem.p, (int)pem.n)
			   : NULL;
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		    : NULL;

	BIO_free(bio);
	if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

bool
sign_rs256(struct str pem, struct str text, struct buf *out)
{
	EVP_PKEY *key = read_rsa(pem);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t made[RSA_BYTES_MAX];
	size_t n = sizeof(made);
	bool ok = key && ctx &&
		  EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestSign(ctx, made, &n, (const uint8_t *)text.p,
				 text.n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (ok)
		buf_add(out, made, n);
	return ok && !out->failed;
}

void
sign_public_pem(struct buf *out, const uint8_t public_key[SIGN_PUBLIC])
{
	uint8_t der[sizeof(der_head) + SIGN_PUBLIC];

	memcpy(der, der_head, sizeof(der_head));
	memcpy(der + sizeof(der_head), public_key, SIGN_PUBLIC);
	buf_add_str(out, pem_begin);
	buf_add_char(out, '\n');
	base64_put(out, der, sizeof(der));
	buf_add_char(out, '\n');
	buf_add_str(out, pem_end);
	buf_add_char(out, '\n');
}

/* What stands between the lines of a PEM text, or the text. */
static struct str
base64_part(struct str text)
{
	ptrdiff_t at = str_search(text, pem_begin);

	if (at >= 0) {
		text = str_from(text, (size_t)at + pem_begin.n);
		at = str_search(text, pem_end);
		if (at < 0)
			return STR_NONE;
		text.n = (size_t)at;
	}
	return text;
}

bool
sign_public_read(struct str text, uint8_t out[SIGN_PUBLIC])
{
	CLEANUP(buf_free) struct buf compact = BUF_INIT, raw = BUF_INIT;
	struct str part = base64_part(text);

	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] > ' ')
			buf_add_char(&compact, part.p[i]);
	if (compact.failed || !base64_get(buf_str(&compact), &raw))
		return false;
	if (raw.n == sizeof(der_head) + SIGN_PUBLIC &&
	    memcmp(raw.p, der_head, sizeof(der_head)) == 0)
		buf_consume(&raw, sizeof(der_head));
	if (raw.n != SIGN_PUBLIC)
		return false;
	memcpy(out, raw.p, SIGN_PUBLIC);
	return true;
}
