/* Connections per address. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "http/sources.h"
#include "tests/tap.h"

static struct sources *sources;

static struct source *
take(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_storage all = {0};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(&all, &in, sizeof(in));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(&all, &in6, sizeof(in6));
	else
		all.ss_family = AF_UNIX;
	return source_take(sources, (struct sockaddr *)&all);
}

TEST(each_address_is_counted_alone)
{
	struct source *a = take("10.0.0.1");
	struct source *b = take("10.0.0.2");

	CHECK(a && b && a != b);
	CHECK(take("10.0.0.1") == a);
	CHECK_INT(source_count(a), 2);
	CHECK_INT(source_count(b), 1);
	source_give(sources, a);
	source_give(sources, a);
	source_give(sources, b);
	a = take("10.0.0.1");
	CHECK_INT(source_count(a), 1);
	source_give(sources, a);
}

TEST(ipv6_is_counted_by_its_64_bit_prefix)
{
	struct source *a = take("2001:db8:1:2::1");
	struct source *b = take("2001:db8:1:2:ffff::9");
	struct source *c = take("2001:db8:1:3::1");

	CHECK(a == b && a != c);
	CHECK_INT(source_count(a), 2);
	source_give(sources, a);
	source_give(sources, b);
	source_give(sources, c);
}

TEST(unix_sockets_are_not_counted)
{
	CHECK(take("unix") == NULL);
	CHECK_INT(source_count(NULL), 0);
	source_give(sources, NULL);
}

TEST(many_addresses_come_and_go)
{
	struct source *all[20000];

	for (int i = 0; i < 20000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.1.%d.%d", i / 250,
			       i % 250);
		all[i] = take(text);
		CHECK_INT(source_count(all[i]), 1);
	}
	for (int i = 0; i < 20000; i++)
		source_give(sources, all[i]);
}

int
main(void)
{
	sources = sources_new();
	if (!sources)
		return 1;
	RUN(each_address_is_counted_alone);
	RUN(ipv6_is_counted_by_its_64_bit_prefix);
	RUN(unix_sockets_are_not_counted);
	RUN(many_addresses_come_and_go);
	sources_free(sources);
	return tap_done();
}
