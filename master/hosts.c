/* The hosts file, and addresses written as numbers. */
#include "master/hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define NAME_CHARS 256

void
hosts_address(int family, const void *bytes, struct channel_address *out)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		memcpy(&a4.sin_addr, bytes, sizeof(a4.sin_addr));
		memcpy(out->sockaddr, &a4, sizeof(a4));
		out->len = sizeof(a4);
	} else {
		memcpy(&a6.sin6_addr, bytes, sizeof(a6.sin6_addr));
		memcpy(out->sockaddr, &a6, sizeof(a6));
		out->len = sizeof(a6);
	}
}

void
hosts_set_port(struct channel_address *a, uint16_t port)
{
	uint16_t p = htons(port);

	/* sin_port and sin6_port stand in the same place. */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
			       offsetof(struct sockaddr_in6, sin6_port),
		       "port");
	memcpy(a->sockaddr + offsetof(struct sockaddr_in, sin_port), &p,
	       sizeof(p));
}

bool
hosts_numeric(struct str name, struct channel_address *out)
{
	char text[NAME_CHARS];
	struct in_addr a4;
	struct in6_addr a6;

	if (!str_copy(text, sizeof(text), name))
		return false;
	if (inet_pton(AF_INET, text, &a4) == 1) {
		hosts_address(AF_INET, &a4, out);
		return true;
	}
	if (inet_pton(AF_INET6, text, &a6) == 1) {
		hosts_address(AF_INET6, &a6, out);
		return true;
	}
	return false;
}

/* The next word of a line; n == 0 at its end or at a comment. */
static struct str
next_word(struct str *line)
{
	size_t i = 0, from;

	while (i < line->n && (line->p[i] == ' ' || line->p[i] == '\t'))
		i++;
	from = i;
	while (i < line->n && line->p[i] != ' ' && line->p[i] != '\t' &&
	       line->p[i] != '\r' && line->p[i] != '#')
		i++;
	{
		struct str word = str_make(line->p + from, i - from);

		*line = str_from(*line, i);
		return word;
	}
}

static bool
line_names(struct str line, struct str name)
{
	struct str word;

	while ((word = next_word(&line)).n > 0)
		if (str_ieq(word, name))
			return true;
	return false;
}

unsigned
hosts_find(struct str text, struct str name, struct channel_address *out,
	   unsigned cap)
{
	unsigned n = 0;

	while (text.p && n < cap) {
		struct str line = str_cut(&text, '\n');
		struct str address = next_word(&line);

		if (address.n > 0 && line_names(line, name) &&
		    hosts_numeric(address, &out[n]))
			n++;
	}
	return n;
}
