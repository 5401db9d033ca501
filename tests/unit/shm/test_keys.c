/* The table of client keys, and the addresses they may be used from. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/must.h"
#include "shm/keys.h"
#include "tests/tap.h"

static void
key_make(struct region *r, uint32_t index)
{
	sha256(&index, sizeof(index), r->keys[index].hash);
	r->keys[index].account = index;
}

TEST(a_key_is_found_by_its_hash_once_it_is_published)
{
	struct region r;
	uint8_t hash[SHA256_BYTES];

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	for (uint32_t i = 0; i < 2000; i++) {
		key_make(&r, i);
		memcpy(hash, r.keys[i].hash, sizeof(hash));
		CHECK_INT(key_find(&r, hash, 0), SHM_NONE);
		key_publish(&r, i);
		key_publish(&r, i);
		CHECK_INT(key_find(&r, hash, 0), i);
	}
	CHECK_INT(key_find(&r, r.keys[0].hash, 0), 0);
	hash[31] ^= 1;
	CHECK_INT(key_find(&r, hash, 0), SHM_NONE);
	region_close(&r);
}

TEST(keys_that_begin_alike_are_told_apart)
{
	struct region r;
	uint8_t hash[SHA256_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	for (uint32_t i = 0; i < 100; i++) {
		hash[20] = (uint8_t)i;
		memcpy(r.keys[i].hash, hash, sizeof(hash));
		key_publish(&r, i);
	}
	hash[20] = 63;
	CHECK_INT(key_find(&r, hash, 0), 63);
	hash[20] = 100;
	CHECK_INT(key_find(&r, hash, 0), SHM_NONE);
	region_close(&r);
}

TEST(an_impossible_entry_of_the_table_is_passed_over)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	key_make(&r, 5);
	for (uint32_t i = 0; i < KEY_TABLE_SIZE; i++)
		r.key_table[i] = SHM_KEYS + 1 + i;
	CHECK_INT(key_find(&r, r.keys[5].hash, 0), SHM_NONE);
	region_close(&r);
}

static bool
allows(const char *allow, const char *from)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, from, &in.sin_addr) == 1)
		return key_allows_address(allow, (const struct sockaddr *)&in);
	must(inet_pton(AF_INET6, from, &in6.sin6_addr) == 1);
	return key_allows_address(allow, (const struct sockaddr *)&in6);
}

TEST(an_empty_list_allows_any_address)
{
	struct sockaddr unix_address = {.sa_family = AF_UNIX};

	CHECK(allows("", "203.0.113.9"));
	CHECK(allows("", "2001:db8::1"));
	CHECK(key_allows_address("", &unix_address));
	CHECK(!key_allows_address("10.0.0.0/8", &unix_address));
}

TEST(an_address_is_compared_by_its_prefix)
{
	CHECK(allows("10.0.0.0/8", "10.255.1.2"));
	CHECK(!allows("10.0.0.0/8", "11.0.0.1"));
	CHECK(allows("192.0.2.128/25", "192.0.2.255"));
	CHECK(!allows("192.0.2.128/25", "192.0.2.127"));
	CHECK(allows("192.0.2.7", "192.0.2.7"));
	CHECK(!allows("192.0.2.7", "192.0.2.8"));
	CHECK(allows("0.0.0.0/0", "8.8.8.8"));
	CHECK(!allows("0.0.0.0/0", "2001:db8::1"));
	CHECK(allows("2001:db8::/33", "2001:db8:7fff::1"));
	CHECK(!allows("2001:db8::/33", "2001:db8:8000::1"));
	CHECK(allows("::1", "::1"));
	CHECK(allows(" 10.0.0.1 , 2001:db8::/32 ", "2001:db8::9"));
	CHECK(allows("10.0.0.1,2001:db8::/32", "10.0.0.1"));
}

TEST(a_mapped_address_is_the_one_inside)
{
	CHECK(allows("10.0.0.0/8", "::ffff:10.1.2.3"));
	CHECK(!allows("10.0.0.0/8", "::ffff:11.1.2.3"));
}

TEST(a_list_that_cannot_be_read_allows_nobody)
{
	static const char *const lists[] = {
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/8/8",
		"10.0.0",
		"10.0.0.1,",
		",10.0.0.1",
		"::/129",
		"example.org",
		"10.0.0.1,junk",
		"10.0.0.0/-1",
		" ",
		"1000000000000000000000000000000000000000000000000000"};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		CHECK(!allows(lists[i], "10.0.0.1"));
}

TEST(a_rotated_key_is_found_by_both_secrets_for_a_while)
{
	struct region r;
	uint8_t a[SHA256_BYTES], b[SHA256_BYTES], c[SHA256_BYTES];

	CHECK(region_anonymous(&r, 256, 8) == E_OK);
	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	memset(c, 3, sizeof(c));
	key_set_secret(&r, 4, a, c, 0);
	CHECK_INT(key_find(&r, a, 50), 4);
	CHECK_INT(key_find(&r, c, 50), SHM_NONE);
	key_set_secret(&r, 4, b, a, 100);
	CHECK_INT(key_find(&r, a, 99), 4);
	CHECK_INT(key_find(&r, a, 100), SHM_NONE);
	CHECK_INT(key_find(&r, b, 100), 4);
	CHECK_INT(r.keys[4].secrets, 2);
	/* What was rotated out may be another key's again. */
	key_set_secret(&r, 5, a, c, 0);
	CHECK_INT(key_find(&r, a, 100), 5);
	CHECK_INT(key_find(&r, b, 100), 4);
	/* And back again. */
	key_set_secret(&r, 4, c, b, 0);
	CHECK_INT(key_find(&r, b, 100), SHM_NONE);
	key_set_secret(&r, 4, b, c, 0);
	CHECK_INT(key_find(&r, b, 100), 4);
	region_close(&r);
}

TEST(rotating_for_ever_does_not_fill_the_table)
{
	struct region r;
	uint8_t now[SHA256_BYTES], was[SHA256_BYTES] = {0};
	unsigned used = 0;

	CHECK(region_anonymous(&r, 256, 8) == E_OK);
	for (uint32_t i = 1; i < 3000; i++) {
		sha256(&i, sizeof(i), now);
		memset(now, 0, 8); /* all begin at one place */
		key_set_secret(&r, 9, now, was, i + 5);
		CHECK_INT(key_find(&r, now, i), 9);
		memcpy(was, now, sizeof(was));
	}
	for (uint32_t i = 0; i < KEY_TABLE_SIZE; i++)
		used += r.key_table[i] != 0;
	CHECK(used < 5);
	region_close(&r);
}

TEST(texts_change_as_a_whole)
{
	const struct key_texts *before;
	struct key_texts t;
	struct region r;

	CHECK(region_anonymous(&r, 256, 8) == E_OK);
	memset(&t, 0, sizeof(t));
	(void)strcpy(t.models, "gpt-*");
	key_set_texts(&r, 1, &t);
	before = key_texts(&r.keys[1]);
	CHECK_STR(before->models, "gpt-*");
	(void)strcpy(t.models, "claude-*");
	key_set_texts(&r, 1, &t);
	CHECK_STR(before->models, "gpt-*");
	CHECK_STR(key_texts(&r.keys[1])->models, "claude-*");
	region_close(&r);
}

int
main(void)
{
	RUN(a_rotated_key_is_found_by_both_secrets_for_a_while);
	RUN(rotating_for_ever_does_not_fill_the_table);
	RUN(texts_change_as_a_whole);
	RUN(a_key_is_found_by_its_hash_once_it_is_published);
	RUN(keys_that_begin_alike_are_told_apart);
	RUN(an_impossible_entry_of_the_table_is_passed_over);
	RUN(an_empty_list_allows_any_address);
	RUN(an_address_is_compared_by_its_prefix);
	RUN(a_mapped_address_is_the_one_inside);
	RUN(a_list_that_cannot_be_read_allows_nobody);
	return tap_done();
}
