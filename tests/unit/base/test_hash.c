#include "base/hash.h"
#include "tests/tap.h"

static const char *
hex(const void *p, size_t n)
{
	static char out[2 * SHA256_BYTES + 1];
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", b[i]);
	return out;
}

static const struct sip_key counting = {
	{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull}};

/* The vectors of the reference implementation: text is 00 01 02 ... */
TEST(siphash_2_4_128_agrees_with_the_reference)
{
	char text[64];
	uint64_t out[2];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	siphash128(&counting, str_make(text, 0), out);
	CHECK_STR(hex(out, 16), "a3817f04ba25a8e66df67214c7550293");
	siphash128(&counting, str_make(text, 1), out);
	CHECK_STR(hex(out, 16), "da87c1d86b99af44347659119b22fc45");
	siphash128(&counting, str_make(text, 15), out);
	CHECK_STR(hex(out, 16), "5493e99933b0a8117e08ec0f97cfc3d9");
}

TEST(siphash_depends_on_key_length_and_every_byte)
{
	struct sip_key other = counting;
	char a[40] = {0}, b[40];
	bool differs = true;

	other.k[1] ^= 1;
	CHECK(siphash(&counting, STR("abc")) != siphash(&other, STR("abc")));
	for (size_t n = 1; n < sizeof(a); n++)
		for (size_t i = 0; i < n; i++) {
			memcpy(b, a, sizeof(a));
			b[i] = 1;
			differs =
				differs &&
				siphash(&counting, str_make(a, n)) !=
					siphash(&counting, str_make(b, n)) &&
				siphash(&counting, str_make(a, n)) !=
					siphash(&counting, str_make(a, n - 1));
		}
	CHECK(differs);
	CHECK(siphash(&counting, STR_NONE) == siphash(&counting, STR("")));
}

TEST(crc32c_agrees_with_rfc_3720_at_any_split)
{
	uint8_t zeros[32] = {0}, ones[32], up[32];
	bool same = true;

	memset(ones, 0xff, sizeof(ones));
	for (size_t i = 0; i < sizeof(up); i++)
		up[i] = (uint8_t)i;
	CHECK_INT(crc32c(0, zeros, 32), 0x8a9136aa);
	CHECK_INT(crc32c(0, ones, 32), 0x62a8ab43);
	CHECK_INT(crc32c(0, up, 32), 0x46dd794e);
	CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i <= 32; i++)
		same = same &&
		       crc32c(crc32c(0, up, i), up + i, 32 - i) == 0x46dd794e;
	CHECK(same);
}

TEST(crc32_agrees_with_ieee_802_3_at_any_split)
{
	const char *text = "123456789";

	CHECK_INT(crc32_ieee(0, "", 0), 0);
	for (size_t i = 0; i <= 9; i++)
		CHECK_INT(crc32_ieee(crc32_ieee(0, text, i), text + i, 9 - i),
			  0xcbf43926);
}

TEST(sha256_agrees_with_fips_180)
{
	uint8_t out[SHA256_BYTES];

	sha256("abc", 3, out);
	CHECK_STR(hex(out, 32), "ba7816bf8f01cfea414140de5dae2223"
				"b00361a396177a9cb410ff61f20015ad");
	sha256("", 0, out);
	CHECK_STR(hex(out, 32), "e3b0c44298fc1c149afbf4c8996fb924"
				"27ae41e4649b934ca495991b7852b855");
}

TEST(hmac_agrees_with_rfc_4231)
{
	uint8_t out[SHA256_BYTES], key[131];
	const char *text = "Test Using Larger Than Block-Size Key - Hash Key "
			   "First";

	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	CHECK_STR(hex(out, 32), "5bdcc146bf60754e6a042426089575c7"
				"5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, sizeof(key), text, strlen(text), out);
	CHECK_STR(hex(out, 32), "60e431591ee0b67f0d8a26aacbf5b77f"
				"8e0bc6213728c5140546040f0ee37f54");
}

TEST(the_hash_of_pieces_is_that_of_the_whole)
{
	char text[] = "abcdefghij";
	uint8_t whole[SHA256_BYTES], split[SHA256_BYTES];

	sha256(text, 10, whole);
	for (size_t at = 0; at <= 10; at++) {
		const struct iovec iov[] = {{text, at}, {text + at, 10 - at}};

		sha256_pieces(iov, 2, split);
		CHECK(memcmp(whole, split, sizeof(whole)) == 0);
	}
	sha256(text, 0, whole);
	sha256_pieces(NULL, 0, split);
	CHECK(memcmp(whole, split, sizeof(whole)) == 0);
}

TEST(bytes_are_compared_whole_and_wiped)
{
	char secret[] = "0123456789";

	CHECK(bytes_equal("abc", "abc", 3));
	CHECK(!bytes_equal("abc", "abd", 3));
	CHECK(bytes_equal(NULL, NULL, 0));
	bytes_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		CHECK(secret[i] == 0);
}

TEST(random_bytes_differ)
{
	uint8_t a[300] = {0}, b[300] = {0};

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
}

int
main(void)
{
	RUN(siphash_2_4_128_agrees_with_the_reference);
	RUN(siphash_depends_on_key_length_and_every_byte);
	RUN(crc32c_agrees_with_rfc_3720_at_any_split);
	RUN(crc32_agrees_with_ieee_802_3_at_any_split);
	RUN(sha256_agrees_with_fips_180);
	RUN(hmac_agrees_with_rfc_4231);
	RUN(the_hash_of_pieces_is_that_of_the_whole);
	RUN(bytes_are_compared_whole_and_wiped);
	RUN(random_bytes_differ);
	return tap_done();
}
