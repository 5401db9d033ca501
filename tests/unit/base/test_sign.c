/* Ed25519, with the first two vectors of RFC 8032; RSA, as openssl(1) signs. */
#include "base/digits.h"
#include "base/sign.h"
#include "tests/tap.h"
#include "tests/unit/base/rsa_key.h"

static void
bytes(const char *hex, uint8_t *out)
{
	for (; hex[0]; hex += 2)
		*out++ = (uint8_t)(hex_digit(hex[0]) * 16 + hex_digit(hex[1]));
}

static const char *const vectors[2][4] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb88"
	 "21590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
	 "r",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac"
	 "1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
};

TEST(the_vectors_of_the_standard_are_made_and_checked)
{
	uint8_t secret[SIGN_SECRET], want[SIGN_BYTES], made[SIGN_BYTES];
	uint8_t public_key[SIGN_PUBLIC], derived[SIGN_PUBLIC];

	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		struct str text = str_of(vectors[i][2]);

		bytes(vectors[i][0], secret);
		bytes(vectors[i][1], public_key);
		bytes(vectors[i][3], want);
		CHECK(sign_public(secret, derived));
		CHECK(memcmp(derived, public_key, SIGN_PUBLIC) == 0);
		CHECK(sign_make(secret, text, made));
		CHECK(memcmp(made, want, SIGN_BYTES) == 0);
		CHECK(sign_check(public_key, text, want));
	}
}

TEST(one_changed_bit_is_seen_anywhere)
{
	uint8_t secret[SIGN_SECRET] = {7}, public_key[SIGN_PUBLIC];
	uint8_t sign[SIGN_BYTES];
	char text[] = "0123456789";
	struct str s = str_of(text);

	CHECK(sign_public(secret, public_key) && sign_make(secret, s, sign));
	CHECK(sign_check(public_key, s, sign));
	for (unsigned i = 0; i < s.n; i++) {
		text[i] ^= 1;
		CHECK(!sign_check(public_key, s, sign));
		text[i] ^= 1;
	}
	for (unsigned i = 0; i < SIGN_BYTES; i++) {
		sign[i] ^= 4;
		CHECK(!sign_check(public_key, s, sign));
		sign[i] ^= 4;
	}
	CHECK(!sign_check(public_key, str_make(text, 9), sign));
	secret[0] = 8;
	CHECK(sign_public(secret, public_key));
	CHECK(!sign_check(public_key, s, sign));
}

TEST(a_public_key_is_read_as_pem_or_base_64)
{
	CLEANUP(buf_free) struct buf pem = BUF_INIT;
	uint8_t public_key[SIGN_PUBLIC] = {1, 2, 3}, out[SIGN_PUBLIC];

	sign_public_pem(&pem, public_key);
	CHECK(sign_public_read(buf_str(&pem), out));
	CHECK(memcmp(out, public_key, SIGN_PUBLIC) == 0);
	CHECK(sign_public_read(
		STR("AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), out));
	CHECK(memcmp(out, public_key, SIGN_PUBLIC) == 0);
	CHECK(!sign_public_read(STR(""), out));
	CHECK(!sign_public_read(STR("AQID"), out));
	CHECK(!sign_public_read(STR("-----BEGIN PUBLIC KEY-----\nAQID\n"),
				out));
	pem.p[40] = '!';
	CHECK(!sign_public_read(buf_str(&pem), out));
}

TEST(rsa_signs_as_another_program_does)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	uint8_t want[256];

	bytes(rsa_sign_hex, want);
	CHECK(sign_rs256(str_of(rsa_pem), STR("header.claims"), &out));
	CHECK_INT(out.n, sizeof(want));
	CHECK(out.n == sizeof(want) && memcmp(out.p, want, out.n) == 0);
}

TEST(what_is_no_rsa_key_signs_nothing)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	static char cut[sizeof(rsa_pem)];

	CHECK(!sign_rs256(STR(""), STR("x"), &out));
	CHECK(!sign_rs256(STR("-----BEGIN PRIVATE KEY-----\n"), STR("x"),
			  &out));
	/* an Ed25519 key */
	CHECK(!sign_rs256(
		STR("-----BEGIN PRIVATE KEY-----\n"
		    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAM"
		    "crn9g\n-----END PRIVATE KEY-----\n"),
		STR("x"), &out));
	memcpy(cut, rsa_pem, sizeof(cut));
	cut[400] = '!';
	CHECK(!sign_rs256(str_of(cut), STR("x"), &out));
	CHECK_INT(out.n, 0);
}

int
main(void)
{
	RUN(the_vectors_of_the_standard_are_made_and_checked);
	RUN(one_changed_bit_is_seen_anywhere);
	RUN(a_public_key_is_read_as_pem_or_base_64);
	RUN(rsa_signs_as_another_program_does);
	RUN(what_is_no_rsa_key_signs_nothing);
	return tap_done();
}
