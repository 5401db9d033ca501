/*
 * What credentials are read from: files of sections, key files of service
 * accounts, answers of token servers; and the texts that are signed. The
 * first byte says which.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/service_account.h"
#include "adapters/sigv4.h"
#include "conf/ini.h"
#include "tests/fuzz/replay.h"

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/* A value lies inside the text and holds no line end. */
static void
ini(struct str text)
{
	struct str section = str_cut(&text, '\n'), value;
	struct str key = str_cut(&text, '\n');

	if (!text.p || !ini_find(text, section, key, &value) || value.n == 0)
		return;
	REQUIRE(value.p >= text.p && value.p + value.n <= text.p + text.n);
	REQUIRE(str_find(value, '\n') < 0);
	REQUIRE(str_eq(str_trim(value), value));
}

static void
account(struct str json)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct service_account s;
	const char *why;

	if (!service_account_read(json, &s, &why)) {
		REQUIRE(why && why[0]);
		return;
	}
	REQUIRE(s.email.n > 0 && s.private_key.n > 0);
	if (service_account_ask(&s, 1, &body))
		REQUIRE(str_starts(buf_str(&body), STR("grant_type=")));
	service_account_wipe(&s);
}

/* What is believed fits a header. */
static void
answer(struct str body)
{
	CLEANUP(buf_free) struct buf token = BUF_INIT;
	uint64_t life;

	if (!service_account_answer(body, &token, &life))
		return;
	REQUIRE(life > 0 && token.n > 0);
	for (size_t i = 0; i < token.n; i++)
		REQUIRE(token.p[i] > ' ' && token.p[i] <= '~');
}

/* The same request has the same signature, of 64 digits. */
static void
signature(struct str target)
{
	struct sigv4_scope s = {STR("id"), STR("secret"), STR("region"),
				STR("service"), 1};
	struct sigv4_field host = {STR("host"), STR("h")};
	struct sigv4_request r = {STR("POST"), target, &host, 1, STR("hash")};
	struct arena a;
	struct str one, two;
	ptrdiff_t at;

	arena_init(&a);
	one = sigv4_authorization(&a, &s, &r);
	two = sigv4_authorization(&a, &s, &r);
	at = str_search(one, STR("Signature="));
	REQUIRE(str_eq(one, two));
	REQUIRE(at > 0 && one.n == (size_t)at + 10 + 64);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str text = str_make((const char *)input + 1, n - 1);

	if (n == 0)
		return 0;
	switch (input[0]) {
	case 'i': ini(text); break;
	case 'a': account(text); break;
	case 't': answer(text); break;
	case 's': signature(text); break;
	}
	return 0;
}
