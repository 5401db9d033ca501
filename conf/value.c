/*
 * Values with units, money, addresses. A parser says what is wrong with the
 * text and what it should look like; the loader says where.
 */
#include "conf/value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

struct unit {
	const char *name;
	uint64_t size;
};

/* Largest first, so that a text is as short as it can be. */
static const struct unit durations[] = {
	{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"TiB", 1ull << 40},
				    {"GiB", 1ull << 30},
				    {"MiB", 1ull << 20},
				    {"KiB", 1ull << 10},
				    {"B", 1},
				    {NULL, 0}};

const char *
value_looks(enum key_type type)
{
	switch (type) {
	case KEY_COUNT: return "a whole number without quotes: 16";
	case KEY_MSEC:
		return "a duration in quotes, with its unit: \"500ms\", "
		       "\"30s\", \"10m\", \"1h\"";
	case KEY_SIZE:
		return "a size in quotes, with its unit: \"512B\", \"64KiB\", "
		       "\"20MiB\"";
	case KEY_RATIO: return "a decimal number in quotes: \"0.6\" or \"60%\"";
	case KEY_PRICE: return "USD per million tokens in quotes: \"2.50\"";
	case KEY_MONEY: return "USD in quotes: \"0.01\"";
	case KEY_BOOL: return "true or false, without quotes";
	case KEY_ADDRESS:
		return "\"127.0.0.1:8080\", \"[::1]:8080\" or "
		       "\"unix:/path\"";
	case KEY_URL: return "\"https://api.example.com\"";
	case KEY_SECRET:
		return "\"env:NAME\", \"file:PATH\", \"cred:NAME\" or "
		       "\"exec:COMMAND\"";
	case KEY_TEXTS:
	case KEY_INDEXES: return "a list of texts: ( \"a\", \"b\" )";
	case KEY_SECRETS: return "a list of secrets: ( \"env:NAME\" )";
	case KEY_GROUP_OF: return "a group: { ... }";
	case KEY_LIST_OF: return "a list of groups: ( { ... }, { ... } )";
	case KEY_TEXT:
	case KEY_FILE:
	case KEY_DIR:
	case KEY_LOG:
	case KEY_CHOICE: break;
	}
	return "a text in quotes";
}

bool
value_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
no_controls(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
bad(struct buf *reason, const struct key *key)
{
	buf_printf(reason, "must be %s", value_looks(key->type));
	return false;
}

static bool
in_bounds(const struct key *key, bool fine, struct buf *reason)
{
	if (!fine)
		buf_printf(reason, "must be %s to %s", key->min, key->max);
	return fine;
}

static bool
with_unit(struct str s, const struct unit *units, uint64_t *out)
{
	size_t n = 0;
	uint64_t v;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	if (!str_to_u64(str_make(s.p, n), &v))
		return false;
	for (s = str_from(s, n); units->name; units++)
		if (str_eq(s, str_of(units->name)))
			return !__builtin_mul_overflow(v, units->size, out);
	return false;
}

/* "0.2" or "20%". */
static bool
ratio(struct str s, uint64_t *out)
{
	bool percent = s.n > 0 && s.p[s.n - 1] == '%';
	uint32_t ppm;

	if (!ppm_parse(str_make(s.p, s.n - percent), &ppm) ||
	    (percent && ppm % 100 != 0))
		return false;
	*out = percent ? ppm / 100 : ppm;
	return true;
}

/* Any of the plain numbers, in the unit of its field. */
static bool
number(enum key_type type, struct str s, uint64_t *out)
{
	struct money money;
	struct price price;

	if (type == KEY_COUNT)
		return str_to_u64(s, out);
	if (type == KEY_MSEC || type == KEY_SIZE)
		return with_unit(s, type == KEY_MSEC ? durations : sizes, out);
	if (type == KEY_RATIO)
		return ratio(s, out);
	if (type == KEY_PRICE) {
		if (!price_parse(s, &price))
			return false;
		*out = (uint64_t)price.pico;
		return true;
	}
	if (!money_parse(s, &money) || money.nano < 0)
		return false;
	*out = (uint64_t)money.nano;
	return true;
}

static bool
parse_number(const struct key *key, struct str s, void *field,
	     struct buf *reason)
{
	uint64_t v, min = 0, max = 0;

	/* Only a price may be unset; check.c asks for it or fills it in. */
	if (key->type == KEY_PRICE && s.n == 0 && key->usual &&
	    *key->usual == '\0') {
		*(struct price *)field = (struct price){-1};
		return true;
	}
	if (!number(key->type, s, &v))
		return bad(reason, key);
	if (!number(key->type, str_of(key->min), &min) ||
	    !number(key->type, str_of(key->max), &max) ||
	    !in_bounds(key, v >= min && v <= max, reason))
		return false;
	if (key->type == KEY_SIZE)
		*(uint64_t *)field = v;
	else if (key->type == KEY_PRICE)
		*(struct price *)field = (struct price){(int64_t)v};
	else if (key->type == KEY_MONEY)
		*(struct money *)field = money_nano((int64_t)v);
	else
		*(uint32_t *)field = (uint32_t)v;
	return true;
}

static bool
keep(struct str s, struct str *out, struct arena *arena, struct buf *reason)
{
	*out = arena_dup(arena, s);
	if (out->p == NULL)
		buf_add_cstr(reason, "out of memory");
	return out->p != NULL;
}

static bool
parse_text(const struct key *key, struct str s, struct str *out,
	   struct arena *arena, struct buf *reason)
{
	uint64_t min = 0, max = 0;

	if (!str_to_u64(str_of(key->min), &min) ||
	    !str_to_u64(str_of(key->max), &max))
		return false;
	if (s.n < min || s.n > max) {
		buf_printf(reason, "must have %s to %s bytes", key->min,
			   key->max);
		return false;
	}
	if (!no_controls(s)) {
		buf_add_cstr(reason, "may not hold control characters");
		return false;
	}
	return keep(s, out, arena, reason);
}

static bool
parse_choice(const struct key *key, struct str s, uint32_t *out,
	     struct buf *reason)
{
	for (uint32_t i = 0; key->words[i]; i++)
		if (str_eq(s, str_of(key->words[i]))) {
			*out = i;
			return true;
		}
	buf_add_cstr(reason, "must be one of");
	for (uint32_t i = 0; key->words[i]; i++)
		buf_printf(reason, " \"%s\"", key->words[i]);
	return false;
}

static bool
parse_port(struct str s, uint16_t *port)
{
	uint64_t v;

	if (!str_to_u64(s, &v) || v < 1 || v > 65535)
		return false;
	*port = (uint16_t)v;
	return true;
}

/* "host:port" or "[v6]:port"; `port` stays as it is without one. */
static bool
split_port(struct str s, struct str *host, bool *v6, uint16_t *port)
{
	ptrdiff_t at;

	*v6 = s.n && s.p[0] == '[';
	at = str_find(s, *v6 ? ']' : ':');
	if (*v6 && at < 0)
		return false;
	*host = *v6 ? str_make(s.p + 1, (size_t)at - 1)
		    : str_make(s.p, at < 0 ? s.n : (size_t)at);
	s = at < 0 ? STR_NONE : str_from(s, (size_t)at + *v6);
	if (s.n == 0)
		return true;
	return s.p[0] == ':' && parse_port(str_from(s, 1), port);
}

static bool
fill_inet(struct conf_address *a, struct str host, bool v6)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	char text[INET6_ADDRSTRLEN];

	if (str_ieq(host, STR("localhost")))
		host = STR("127.0.0.1");
	if (!str_copy(text, sizeof(text), host))
		return false;
	if (v6) {
		in6.sin6_port = htons(a->port);
		a->sa_len = sizeof(in6);
		memcpy(&a->sa, &in6, sizeof(in6));
		if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
			return false;
		memcpy(&a->sa, &in6, sizeof(in6));
		return true;
	}
	in.sin_port = htons(a->port);
	if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return false;
	memcpy(&a->sa, &in, sizeof(in));
	a->sa_len = sizeof(in);
	return true;
}

/* The path is made absolute later, when run_dir is known. */
static bool
parse_address(const struct key *key, struct str s, struct conf_address *a,
	      struct arena *arena, struct buf *reason)
{
	struct str host;
	bool v6;

	*a = (struct conf_address){.port = 0};
	if (!parse_text(key, s, &a->text, arena, reason))
		return false;
	if (s.n == 0)
		return true;
	if (str_starts(a->text, STR("unix:"))) {
		a->unix_path = str_from(a->text, 5);
		return a->unix_path.n > 0 || bad(reason, key);
	}
	if (!split_port(a->text, &host, &v6, &a->port) || a->port == 0 ||
	    !fill_inet(a, host, v6))
		return bad(reason, key);
	return true;
}

static bool
host_fine(struct str host, bool v6)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (v6)
		return str_copy(text, sizeof(text), host) &&
		       inet_pton(AF_INET6, text, &in6) == 1;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' &&
		    c != '-' && c != '_')
			return false;
	}
	return host.n > 0 && host.n <= 253;
}

/* Lower case, NUL-terminated. */
static struct str
lowered(struct str s, struct arena *arena)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (p == NULL)
		return STR_NONE;
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z'
			       ? (char)(s.p[i] + ('a' - 'A'))
			       : s.p[i];
	p[s.n] = '\0';
	return str_make(p, s.n);
}

static bool
parse_url(const struct key *key, struct str s, struct conf_url *u,
	  struct arena *arena, struct buf *reason)
{
	struct str rest, host;
	ptrdiff_t slash;
	bool v6;

	*u = (struct conf_url){.port = 0};
	if (!parse_text(key, s, &u->text, arena, reason))
		return false;
	if (s.n == 0)
		return true;
	u->tls = str_starts(u->text, STR("https://"));
	if (!u->tls && !str_starts(u->text, STR("http://")))
		return bad(reason, key);
	if (!value_visible(s) || str_find(s, '?') >= 0 ||
	    str_find(s, '#') >= 0 || str_find(s, '@') >= 0) {
		buf_add_cstr(reason,
			     "may hold host, port and path only: no spaces, "
			     "'@', '?' or '#'");
		return false;
	}
	rest = str_from(u->text, u->tls ? 8 : 7);
	slash = str_find(rest, '/');
	if (slash >= 0)
		u->path = str_from(rest, (size_t)slash);
	while (u->path.n && u->path.p[u->path.n - 1] == '/')
		u->path.n--;
	u->port = u->tls ? 443 : 80;
	if (slash >= 0)
		rest.n = (size_t)slash;
	if (!split_port(rest, &host, &v6, &u->port))
		return bad(reason, key);
	u->host = lowered(host, arena);
	if (!host_fine(u->host, v6))
		return bad(reason, key);
	return keep(u->path, &u->path, arena, reason);
}

bool
conf_url_parse(struct str text, struct conf_url *out, struct arena *arena,
	       struct buf *reason)
{
	static const struct key key = {
		.name = "url", .type = KEY_URL, .min = "1", .max = "512"};

	return parse_url(&key, text, out, arena, reason);
}

static bool
parse_bool(const struct key *key, struct str s, bool *out, struct buf *reason)
{
	*out = str_eq(s, STR("true"));
	return *out || str_eq(s, STR("false")) || bad(reason, key);
}

bool
value_parse(const struct key *key, struct str text, void *field,
	    struct arena *arena, struct buf *reason)
{
	switch (key->type) {
	case KEY_BOOL: return parse_bool(key, text, field, reason);
	case KEY_CHOICE: return parse_choice(key, text, field, reason);
	case KEY_ADDRESS: return parse_address(key, text, field, arena, reason);
	case KEY_URL: return parse_url(key, text, field, arena, reason);
	case KEY_TEXT:
	case KEY_FILE:
	case KEY_DIR:
	case KEY_LOG: return parse_text(key, text, field, arena, reason);
	case KEY_COUNT:
	case KEY_MSEC:
	case KEY_SIZE:
	case KEY_RATIO:
	case KEY_PRICE:
	case KEY_MONEY: return parse_number(key, text, field, reason);
	case KEY_SECRET:
	case KEY_TEXTS:
	case KEY_SECRETS:
	case KEY_INDEXES:
	case KEY_GROUP_OF:
	case KEY_LIST_OF: break;
	}
	return bad(reason, key);
}

struct key
value_element(const struct key *key)
{
	struct key k = *key;

	k.type = KEY_TEXT;
	k.min = "1";
	k.max = "256";
	return k;
}

static void
unit_text(uint64_t v, const struct unit *units, struct buf *out)
{
	while (units[1].name && (v == 0 || v % units->size != 0) &&
	       !(v == 0 && units->size == 1000))
		units++;
	buf_add_u64(out, v / units->size);
	buf_add_cstr(out, units->name);
}

void
value_text(const struct key *key, const void *field, struct buf *out)
{
	char text[MONEY_TEXT];

	switch (key->type) {
	case KEY_COUNT: buf_add_u64(out, *(const uint32_t *)field); return;
	case KEY_MSEC:
		unit_text(*(const uint32_t *)field, durations, out);
		return;
	case KEY_SIZE: unit_text(*(const uint64_t *)field, sizes, out); return;
	case KEY_RATIO:
		buf_add(out, text, ppm_text(*(const uint32_t *)field, text));
		return;
	case KEY_PRICE:
		buf_add(out, text,
			price_text(*(const struct price *)field, text));
		return;
	case KEY_MONEY:
		buf_add(out, text,
			money_text(*(const struct money *)field, text));
		return;
	case KEY_BOOL:
		buf_add_cstr(out, *(const bool *)field ? "true" : "false");
		return;
	case KEY_CHOICE:
		buf_add_cstr(out, key->words[*(const uint32_t *)field]);
		return;
	case KEY_ADDRESS:
		buf_add_str(out, ((const struct conf_address *)field)->text);
		return;
	case KEY_URL:
		buf_add_str(out, ((const struct conf_url *)field)->text);
		return;
	case KEY_SECRET:
		buf_add_str(out,
			    secret_reference(*(const struct secret *)field));
		return;
	case KEY_TEXT:
	case KEY_FILE:
	case KEY_DIR:
	case KEY_LOG: buf_add_str(out, *(const struct str *)field); return;
	case KEY_TEXTS:
	case KEY_SECRETS:
	case KEY_INDEXES:
	case KEY_GROUP_OF:
	case KEY_LIST_OF: return;
	}
}

bool
value_same(const struct key *key, const void *a, const void *b)
{
	CLEANUP(buf_free) struct buf x = BUF_INIT, y = BUF_INIT;

	if (key->type == KEY_SECRET)
		return secret_eq(*(const struct secret *)a,
				 *(const struct secret *)b);
	value_text(key, a, &x);
	value_text(key, b, &y);
	return str_eq(buf_str(&x), buf_str(&y));
}
