#include <arpa/inet.h>
#include <netinet/in.h>

#include "conf/value.h"
#include "tests/tap.h"

static struct arena arena;

static struct key
make(enum key_type type, const char *min, const char *max)
{
	return (struct key){
		.name = "k", .type = type, .usual = "", .min = min, .max = max};
}

static bool
parse(const struct key *key, const char *text, void *field)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	bool fine = value_parse(key, str_of(text), field, &arena, &reason);

	CHECK(fine == (reason.n == 0));
	return fine;
}

TEST(durations_have_units)
{
	struct key k = make(KEY_MSEC, "0s", "24h");
	uint32_t ms = 7;

	CHECK(parse(&k, "500ms", &ms) && ms == 500);
	CHECK(parse(&k, "0s", &ms) && ms == 0);
	CHECK(parse(&k, "30s", &ms) && ms == 30000);
	CHECK(parse(&k, "10m", &ms) && ms == 600000);
	CHECK(parse(&k, "24h", &ms) && ms == 86400000);
	CHECK(!parse(&k, "25h", &ms));
	CHECK(!parse(&k, "30", &ms));
	CHECK(!parse(&k, "s", &ms));
	CHECK(!parse(&k, "1.5s", &ms));
	CHECK(!parse(&k, "-1s", &ms));
	CHECK(!parse(&k, "1 s", &ms));
	CHECK(!parse(&k, "1S", &ms));
	CHECK(!parse(&k, "99999999999999999999s", &ms));
	CHECK(!parse(&k, "18446744073709551615h", &ms));
	CHECK(!parse(&k, "", &ms));
	CHECK_INT(ms, 86400000);
}

TEST(sizes_have_units_of_1024)
{
	struct key k = make(KEY_SIZE, "1B", "1TiB");
	uint64_t n = 7;

	CHECK(parse(&k, "512B", &n) && n == 512);
	CHECK(parse(&k, "32KiB", &n) && n == 32768);
	CHECK(parse(&k, "20MiB", &n) && n == 20971520);
	CHECK(parse(&k, "64GiB", &n) && n == 64ull << 30);
	CHECK(!parse(&k, "0B", &n));
	CHECK(!parse(&k, "2TiB", &n));
	CHECK(!parse(&k, "20MB", &n));
	CHECK(!parse(&k, "20M", &n));
	CHECK(!parse(&k, "17179869184TiB", &n));
	CHECK_INT(n, 64ll << 30);
}

TEST(prices_and_ratios_are_exact_and_bounded)
{
	struct key price = make(KEY_PRICE, "0", "1000000");
	struct key ratio = make(KEY_RATIO, "0.5", "64");
	struct key money = make(KEY_MONEY, "0", "1000");
	struct price p;
	struct money m;
	uint32_t ppm = 7;

	CHECK(parse(&price, "2.50", &p) && p.pico == 2500000);
	CHECK(parse(&price, "", &p) && p.pico == -1);
	CHECK(!parse(&price, "1000000.000001", &p));
	CHECK(!parse(&price, "-1", &p));
	CHECK(parse(&ratio, "4", &ppm) && ppm == 4000000);
	CHECK(!parse(&ratio, "0.499999", &ppm));
	CHECK(!parse(&ratio, "", &ppm));
	CHECK(parse(&ratio, "75%", &ppm) && ppm == 750000);
	CHECK(parse(&ratio, "100.5%", &ppm) && ppm == 1005000);
	CHECK(!parse(&ratio, "100.00001%", &ppm));
	CHECK(!parse(&ratio, "%", &ppm));
	CHECK(!parse(&ratio, "100%%", &ppm));
	CHECK(parse(&money, "0.000000001", &m) && m.nano == 1);
	CHECK(!parse(&money, "-0.01", &m));
	CHECK(!parse(&money, "1000.01", &m));
}

TEST(addresses_are_numeric_or_a_path)
{
	struct key k = make(KEY_ADDRESS, "0", "100");
	struct conf_address a;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	CHECK(parse(&k, "127.0.0.1:8080", &a) && a.port == 8080);
	CHECK_INT(a.sa_len, sizeof(in));
	memcpy(&in, &a.sa, sizeof(in));
	CHECK(in.sin_family == AF_INET && ntohs(in.sin_port) == 8080 &&
	      ntohl(in.sin_addr.s_addr) == INADDR_LOOPBACK);
	CHECK(parse(&k, "localhost:80", &a) && a.sa.ss_family == AF_INET);
	CHECK(parse(&k, "[::1]:443", &a) && a.port == 443);
	memcpy(&in6, &a.sa, sizeof(in6));
	CHECK(in6.sin6_family == AF_INET6 && ntohs(in6.sin6_port) == 443);
	CHECK(parse(&k, "unix:api.sock", &a) &&
	      str_eq(a.unix_path, STR("api.sock")));
	CHECK(parse(&k, "", &a) && a.text.n == 0);
	CHECK(!parse(&k, "127.0.0.1", &a));
	CHECK(!parse(&k, "127.0.0.1:", &a));
	CHECK(!parse(&k, "127.0.0.1:0", &a));
	CHECK(!parse(&k, "127.0.0.1:65536", &a));
	CHECK(!parse(&k, "example.com:80", &a));
	CHECK(!parse(&k, "::1:80", &a));
	CHECK(!parse(&k, "[::1", &a));
	CHECK(!parse(&k, "[::1]80", &a));
	CHECK(!parse(&k, "[127.0.0.1]:80", &a));
	CHECK(!parse(&k, "unix:", &a));
}

TEST(urls_have_host_port_and_path_only)
{
	struct key k = make(KEY_URL, "0", "512");
	struct conf_url u;

	CHECK(parse(&k, "https://API.Example.com", &u) && u.tls &&
	      u.port == 443);
	CHECK_STR(u.host.p, "api.example.com");
	CHECK_STR(u.path.p, "");
	CHECK(parse(&k, "http://127.0.0.1:8081/openai/v2//", &u) && !u.tls);
	CHECK_INT(u.port, 8081);
	CHECK_STR(u.path.p, "/openai/v2");
	CHECK(parse(&k, "https://[::1]:9/", &u) && u.port == 9);
	CHECK_STR(u.host.p, "::1");
	CHECK(!parse(&k, "ftp://a", &u));
	CHECK(!parse(&k, "https://", &u));
	CHECK(!parse(&k, "https:///x", &u));
	CHECK(!parse(&k, "https://a:0", &u));
	CHECK(!parse(&k, "https://a:x", &u));
	CHECK(!parse(&k, "https://u:p@a", &u));
	CHECK(!parse(&k, "https://a?x=1", &u));
	CHECK(!parse(&k, "https://a#x", &u));
	CHECK(!parse(&k, "https://a b", &u));
	CHECK(!parse(&k, "https://a\r\nHost: b", &u));
	CHECK(!parse(&k, "https://\xc3\xa4.de", &u));
	CHECK(!parse(&k, "https://[::g]", &u));
}

TEST(texts_have_no_control_characters)
{
	struct key k = make(KEY_TEXT, "1", "5");
	struct str s;

	CHECK(parse(&k, "abcde", &s) && str_eq(s, STR("abcde")));
	CHECK(!parse(&k, "", &s));
	CHECK(!parse(&k, "abcdef", &s));
	CHECK(!parse(&k, "a\nb", &s));
	CHECK(!parse(&k, "a\x7f", &s));
	CHECK(value_visible(STR("a-b.c")));
	CHECK(!value_visible(STR("a b")));
	CHECK(!value_visible(STR("\xc3\xa4")));
}

static void
back_and_forth(enum key_type type, const char *max, const char *text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct key k = make(type, type == KEY_SIZE ? "0B" : "0", max);
	union {
		uint64_t size;
		uint32_t n;
		struct price price;
		struct money money;
	} field = {0};

	if (type == KEY_MSEC)
		k.min = "0s";
	CHECK(parse(&k, text, &field));
	value_text(&k, &field, &out);
	buf_add_char(&out, '\0');
	CHECK_STR(out.p, text);
	CHECK(value_same(&k, &field, &field));
}

TEST(values_are_written_in_their_shortest_exact_form)
{
	back_and_forth(KEY_MSEC, "24h", "0s");
	back_and_forth(KEY_MSEC, "24h", "1500ms");
	back_and_forth(KEY_MSEC, "24h", "75s");
	back_and_forth(KEY_MSEC, "24h", "10m");
	back_and_forth(KEY_MSEC, "24h", "2h");
	back_and_forth(KEY_SIZE, "1TiB", "0B");
	back_and_forth(KEY_SIZE, "1TiB", "1000B");
	back_and_forth(KEY_SIZE, "1TiB", "32KiB");
	back_and_forth(KEY_SIZE, "1TiB", "64GiB");
	back_and_forth(KEY_PRICE, "10", "0.000001");
	back_and_forth(KEY_PRICE, "10", "2.50");
	back_and_forth(KEY_MONEY, "10", "0.01");
	back_and_forth(KEY_RATIO, "10", "0.6");
	back_and_forth(KEY_COUNT, "10", "7");
}

TEST(every_type_says_what_it_looks_like)
{
	for (int t = KEY_COUNT; t <= KEY_LIST_OF; t++)
		CHECK(value_looks((enum key_type)t)[0] != '\0');
}

int
main(void)
{
	arena_init(&arena);
	RUN(durations_have_units);
	RUN(sizes_have_units_of_1024);
	RUN(prices_and_ratios_are_exact_and_bounded);
	RUN(addresses_are_numeric_or_a_path);
	RUN(urls_have_host_port_and_path_only);
	RUN(texts_have_no_control_characters);
	RUN(values_are_written_in_their_shortest_exact_form);
	RUN(every_type_says_what_it_looks_like);
	arena_free(&arena);
	return tap_done();
}
