/* How a channel's connections leave: through a proxy, from an address. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "conf/rules.h"
#include "conf/value.h"

const struct sockaddr_storage *
conf_source(const struct conf_channel *c)
{
	return c->source.ss_family == AF_UNSPEC ? NULL : &c->source;
}

/* FNV-1a. */
static uint64_t
way_add(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 1099511628211ull;
	return h;
}

static uint64_t
way_number(uint64_t h, uint16_t n)
{
	const char bytes[] = {(char)(n & 0xff), (char)(n >> 8)};

	return way_add(h, str_make(bytes, sizeof(bytes)));
}

uint64_t
conf_way(const struct conf_channel *c)
{
	uint64_t h = 14695981039346656037ull;

	h = way_number(h, c->base_url.port);
	h = way_number(h, c->base_url.tls);
	h = way_number(h, c->proxy.port);
	h = way_number(h, c->source.ss_family);
	h = way_add(h, c->base_url.host);
	h = way_add(h, STR("\n"));
	h = way_add(h, c->proxy.host);
	return MAX_OF(h, 1u);
}

static bool
check_proxy(struct conf *c, const struct conf_channel *ch, struct buf *error)
{
	const struct conf_url *p = &ch->proxy;

	if (p->text.n == 0)
		return !secret_is_set(ch->proxy_auth) ||
		       conf_fault(error, ch->where, "channels.proxy_auth",
				  "needs a proxy");
	if (p->tls || p->path.n > 0)
		return conf_fault(error, ch->where, "channels.proxy",
				  "must be like http://proxy.example.com:3128");
	if (secret_is_set(ch->proxy_auth) && !conf_is_loopback(p->host))
		conf_warn(c, ch->where, "channels.proxy_auth",
			  "goes to the proxy in clear: let nobody listen on "
			  "that network");
	return true;
}

/* RFC 7617: no colon in the user's name, no control characters. */
static bool
check_proxy_auth(const struct conf_channel *ch, struct buf *error)
{
	struct str s = secret_bytes(ch->proxy_auth);
	bool fine = s.n == 0 || str_find(s, ':') > 0;

	for (size_t i = 0; i < s.n; i++)
		fine = fine && (unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f;
	return fine || conf_fault(error, ch->where, "channels.proxy_auth",
				  "must be USER:PASSWORD");
}

static bool
fill_source(struct conf_channel *ch, struct buf *error)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	char text[INET6_ADDRSTRLEN];

	if (ch->source_address.n == 0)
		return true;
	if (!str_copy(text, sizeof(text), ch->source_address))
		text[0] = '\0';
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(&ch->source, &in, sizeof(in));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(&ch->source, &in6, sizeof(in6));
	else
		return conf_fault(error, ch->where, "channels.source_address",
				  "must be an address like 10.0.0.2 or "
				  "2001:db8::2");
	return true;
}

bool
conf_egress(struct conf *c, struct conf_channel *ch, struct buf *error)
{
	if (str_eq(ch->provider, STR("demo")) &&
	    (ch->proxy.text.n > 0 || ch->source_address.n > 0))
		return conf_fault(error, ch->where, "channels.proxy",
				  "the provider demo is embedded and connects "
				  "to nothing");
	return check_proxy(c, ch, error) && check_proxy_auth(ch, error) &&
	       fill_source(ch, error);
}
