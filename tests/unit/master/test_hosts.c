/* The hosts file and addresses as numbers. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "master/hosts.h"
#include "tests/tap.h"

static const char *
shown(const struct channel_address *a, char *out)
{
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;

	out[0] = '\0';
	if (a->len == sizeof(a4)) {
		memcpy(&a4, a->sockaddr, sizeof(a4));
		(void)inet_ntop(AF_INET, &a4.sin_addr, out, INET6_ADDRSTRLEN);
	} else if (a->len == sizeof(a6)) {
		memcpy(&a6, a->sockaddr, sizeof(a6));
		(void)inet_ntop(AF_INET6, &a6.sin6_addr, out, INET6_ADDRSTRLEN);
	}
	return out;
}

static const char text[] = "# 1.1.1.1 comment\n"
			   "127.0.0.1\tlocalhost\r\n"
			   "::1 localhost ip6-localhost # loopback\n"
			   "not-an-address api\n"
			   "10.0.0.7 api.example API2\n"
			   "\n"
			   "10.0.0.8 x #api.example\n"
			   "10.0.0.9 api.example";

TEST(all_addresses_of_a_name_are_found_in_order)
{
	struct channel_address a[4];
	char s[INET6_ADDRSTRLEN];

	CHECK_INT(hosts_find(str_of(text), STR("localhost"), a, 4), 2);
	CHECK_STR(shown(&a[0], s), "127.0.0.1");
	CHECK_STR(shown(&a[1], s), "::1");
	CHECK_INT(hosts_find(str_of(text), STR("api.example"), a, 4), 2);
	CHECK_STR(shown(&a[0], s), "10.0.0.7");
	CHECK_STR(shown(&a[1], s), "10.0.0.9");
	CHECK_INT(hosts_find(str_of(text), STR("api2"), a, 4), 1);
}

TEST(comments_and_bad_lines_name_nobody)
{
	struct channel_address a[4];

	CHECK_INT(hosts_find(str_of(text), STR("comment"), a, 4), 0);
	CHECK_INT(hosts_find(str_of(text), STR("loopback"), a, 4), 0);
	CHECK_INT(hosts_find(str_of(text), STR("api"), a, 4), 0);
	CHECK_INT(hosts_find(STR(""), STR("api"), a, 4), 0);
}

TEST(no_more_than_asked_for_are_returned)
{
	struct channel_address a[1];

	CHECK_INT(hosts_find(str_of(text), STR("localhost"), a, 1), 1);
}

TEST(any_beginning_of_the_file_is_read_without_harm)
{
	struct channel_address a[4];

	for (size_t n = 0; n <= sizeof(text) - 1; n++)
		CHECK(hosts_find(str_make(text, n), STR("localhost"), a, 4) <=
		      2);
}

TEST(numbers_are_addresses_and_names_are_not)
{
	struct channel_address a;
	char s[INET6_ADDRSTRLEN];
	struct sockaddr_in6 a6;

	CHECK(hosts_numeric(STR("192.0.2.1"), &a));
	CHECK_STR(shown(&a, s), "192.0.2.1");
	CHECK(hosts_numeric(STR("2001:db8::1"), &a));
	CHECK_STR(shown(&a, s), "2001:db8::1");
	hosts_set_port(&a, 443);
	memcpy(&a6, a.sockaddr, sizeof(a6));
	CHECK_INT(ntohs(a6.sin6_port), 443);
	CHECK(!hosts_numeric(STR("localhost"), &a));
	CHECK(!hosts_numeric(STR("1.2.3"), &a));
	CHECK(!hosts_numeric(STR(""), &a));
}

int
main(void)
{
	RUN(all_addresses_of_a_name_are_found_in_order);
	RUN(comments_and_bad_lines_name_nobody);
	RUN(no_more_than_asked_for_are_returned);
	RUN(any_beginning_of_the_file_is_read_without_harm);
	RUN(numbers_are_addresses_and_names_are_not);
	return tap_done();
}
