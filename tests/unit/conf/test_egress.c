/* The way out of a channel, as it stands in the configuration. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/conf/help.h"

#define MODEL "models = ( { name = \"m\"; input = \"1\"; } );\n"
#define CHANNEL(rest)                                                        \
	LISTEN MODEL "channels = ( { name = \"c\"; provider = \"openai\"; "  \
		     "base_url = \"https://a\"; models = ( { name = \"m\"; " \
		     "} ); " rest " } );\n"
#define DEMO(rest)                                                        \
	LISTEN MODEL "channels = ( { name = \"d\"; provider = \"demo\"; " \
		     "models = ( { name = \"m\"; } ); " rest " } );\n"
#define PROXY "proxy = \"http://proxy.example:3128\"; "

static const struct {
	const char *text;
	const char *error;
} wrong[] = {
	{CHANNEL("proxy_auth = \"u:p\";"),
	 "t:3: channels.proxy_auth: needs a proxy"},
	{CHANNEL("proxy = \"https://p\";"),
	 "t:3: channels.proxy: must be like http://proxy.example.com:3128"},
	{CHANNEL("proxy = \"http://p:1/way\";"),
	 "t:3: channels.proxy: must be like http://proxy.example.com:3128"},
	{CHANNEL("proxy = \"http://u:p@proxy:3128\";"),
	 "t:3: channels.proxy: may hold host, port and path only: no spaces, "
	 "'@', '?' or '#'"},
	{CHANNEL(PROXY "proxy_auth = \"nobody\";"),
	 "t:3: channels.proxy_auth: must be USER:PASSWORD"},
	{CHANNEL(PROXY "proxy_auth = \":secret\";"),
	 "t:3: channels.proxy_auth: must be USER:PASSWORD"},
	{CHANNEL(PROXY "proxy_auth = \"u:p\\r\\nx: y\";"),
	 "t:3: channels.proxy_auth: must be USER:PASSWORD"},
	{CHANNEL("source_address = \"10.0.0\";"),
	 "t:3: channels.source_address: must be an address like 10.0.0.2 or "
	 "2001:db8::2"},
	{CHANNEL("source_address = \"eth0\";"),
	 "t:3: channels.source_address: must be an address like 10.0.0.2 or "
	 "2001:db8::2"},
	{DEMO("source_address = \"10.0.0.2\";"),
	 "t:3: channels.proxy: the provider demo is embedded and connects to "
	 "nothing"},
};

TEST(what_cannot_be_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK_STR(error_of(wrong[i].text), wrong[i].error);
}

TEST(a_proxy_and_its_credentials_are_taken_apart)
{
	const struct conf *c =
		loaded(CHANNEL(PROXY "proxy_auth = \"user:pass word:x\";"));
	const struct conf_channel *ch = &c->channels[0];

	CHECK(str_eq(ch->proxy.host, STR("proxy.example")));
	CHECK_INT(ch->proxy.port, 3128);
	CHECK(str_eq(secret_bytes(ch->proxy_auth), STR("user:pass word:x")));
	CHECK(conf_source(ch) == NULL);
	CHECK(c->n_warnings > 0);
	CHECK(str_search(c->warnings[c->n_warnings - 1],
			 STR("goes to the proxy in clear")) > 0);
	conf_free(c);
}

TEST(a_source_address_is_of_either_family)
{
	const struct conf *c =
		loaded(CHANNEL("source_address = \"10.0.0.2\";"));
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memcpy(&in, conf_source(&c->channels[0]), sizeof(in));
	CHECK_INT(in.sin_family, AF_INET);
	CHECK_INT(ntohl(in.sin_addr.s_addr), 0x0a000002);
	CHECK_INT(in.sin_port, 0);
	conf_free(c);
	c = loaded(CHANNEL("source_address = \"2001:db8::2\";"));
	memcpy(&in6, conf_source(&c->channels[0]), sizeof(in6));
	CHECK_INT(in6.sin6_family, AF_INET6);
	CHECK_INT(in6.sin6_addr.s6_addr[15], 2);
	conf_free(c);
}

int
main(void)
{
	RUN(what_cannot_be_is_refused);
	RUN(a_proxy_and_its_credentials_are_taken_apart);
	RUN(a_source_address_is_of_either_family);
	return tap_done();
}
