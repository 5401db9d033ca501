/* adapters/service_account.c: the key file, the request, the answer. */
#include "adapters/service_account.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/sign.h"
#include "tests/tap.h"
#include "tests/unit/base/rsa_key.h"

#define HEAD                                                               \
	"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" \
	"&assertion="

/* A key file with these members more. */
static void
key_file(struct buf *out, const char *more)
{
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "type");
	json_put_str(&o, STR("service_account"));
	json_name(&o, "client_email");
	json_put_str(&o, STR("robot@example.iam"));
	json_name(&o, "private_key");
	json_put_str(&o, str_of(rsa_pem));
	json_close(&o, '}');
	out->n--;
	buf_add_cstr(out, more);
	buf_add_char(out, '}');
}

static const char *
why_not(const char *json)
{
	struct service_account s;
	const char *why = NULL;

	if (!service_account_read(str_of(json), &s, &why))
		return why;
	service_account_wipe(&s);
	return "";
}

static bool
is(const struct buf *b, const char *text)
{
	return str_eq(buf_str(b), str_of(text));
}

TEST(a_key_file_is_read)
{
	CLEANUP(buf_free) struct buf json = BUF_INIT;
	struct service_account s;
	const char *why;

	key_file(&json, ",\"private_key_id\":\"k1\",\"token_uri\":"
			"\"http:\\/\\/127.0.0.1:9\\/t\"");
	CHECK(service_account_read(buf_str(&json), &s, &why));
	CHECK(is(&s.email, "robot@example.iam"));
	CHECK(is(&s.key_id, "k1"));
	CHECK(is(&s.private_key, rsa_pem));
	CHECK(is(&s.token_uri, "http://127.0.0.1:9/t"));
	service_account_wipe(&s);
	buf_reset(&json);
	key_file(&json, "");
	CHECK(service_account_read(buf_str(&json), &s, &why));
	CHECK(is(&s.token_uri, "https://oauth2.googleapis.com/token"));
	CHECK(is(&s.key_id, ""));
	service_account_wipe(&s);
}

TEST(what_is_no_key_file_is_refused_with_a_reason)
{
	CLEANUP(buf_free) struct buf json = BUF_INIT;

	CHECK_STR(why_not(""), "is no JSON object");
	CHECK_STR(why_not("[]"), "is no JSON object");
	CHECK_STR(why_not("{}"), "has no client_email");
	CHECK_STR(why_not("{\"client_email\":\"\"}"), "has no client_email");
	CHECK_STR(why_not("{\"client_email\":7}"), "has no client_email");
	CHECK_STR(why_not("{\"client_email\":\"a\"}"), "has no private_key");
	CHECK_STR(why_not("{\"client_email\":\"a\",\"private_key\":null}"),
		  "has no private_key");
	CHECK_STR(why_not("{\"client_email\":\"a\",\"private_key\":\"b\","
			  "\"private_key_id\":1}"),
		  "has a private_key_id that is no text");
	CHECK_STR(why_not("{\"client_email\":\"a\",\"private_key\":\"b\","
			  "\"token_uri\":1}"),
		  "has a token_uri that is no text");
	key_file(&json, "");
	for (size_t n = 0; n < json.n; n++) {
		struct service_account s;
		const char *why;

		CHECK(!service_account_read(str_make(json.p, n), &s, &why));
	}
}

/* The claims of the request. */
static void
decode(struct str *rest, struct buf *out)
{
	struct str part = str_cut(rest, '.');

	buf_reset(out);
	CHECK(base64_get(part, out));
	buf_add_char(out, '\0');
}

TEST(the_request_is_a_signed_statement)
{
	CLEANUP(buf_free) struct buf json = BUF_INIT, ask = BUF_INIT;
	CLEANUP(buf_free) struct buf part = BUF_INIT, sign = BUF_INIT;
	struct service_account s;
	struct str rest, signed_text;
	const char *why;

	key_file(&json, ",\"private_key_id\":\"k1\"");
	CHECK(service_account_read(buf_str(&json), &s, &why));
	CHECK(service_account_ask(&s, 1795211880, &ask));
	CHECK(str_starts(buf_str(&ask), STR(HEAD)));
	rest = str_from(buf_str(&ask), sizeof(HEAD) - 1);
	signed_text = rest;
	decode(&rest, &part);
	CHECK_STR(part.p, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
	decode(&rest, &part);
	CHECK_STR(part.p,
		  "{\"iss\":\"robot@example.iam\",\"scope\":"
		  "\"https://www.googleapis.com/auth/cloud-platform\",\"aud\":"
		  "\"https://oauth2.googleapis.com/token\",\"iat\":1795211880,"
		  "\"exp\":1795215480}");
	signed_text.n -= rest.n + 1;
	CHECK(sign_rs256(str_of(rsa_pem), signed_text, &sign));
	decode(&rest, &part);
	CHECK(part.n == sign.n + 1 && memcmp(part.p, sign.p, sign.n) == 0);
	CHECK(rest.p == NULL);
	service_account_wipe(&s);
}

TEST(a_private_key_that_is_none_signs_nothing)
{
	CLEANUP(buf_free) struct buf ask = BUF_INIT;
	struct service_account s;
	const char *why;

	CHECK(service_account_read(
		STR("{\"client_email\":\"a\",\"private_key\":\"b\"}"), &s,
		&why));
	CHECK(!service_account_ask(&s, 1, &ask));
	service_account_wipe(&s);
}

static uint64_t
life_of(const char *body)
{
	CLEANUP(buf_free) struct buf token = BUF_INIT;
	uint64_t life = 0;

	if (!service_account_answer(str_of(body), &token, &life))
		return 0;
	CHECK(is(&token, "ya29.x-y_z"));
	return life;
}

TEST(answers_are_believed_only_if_they_are_whole)
{
	static const char good[] = "{\"access_token\":\"ya29.x-y_z\","
				   "\"expires_in\":3599,"
				   "\"token_type\":\"Bearer\"}";

	CHECK_INT(life_of(good), 3599);
	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		char cut[sizeof(good)];

		(void)str_copy(cut, sizeof(cut), str_make(good, n));
		CHECK_INT(life_of(cut), 0);
	}
	CHECK_INT(life_of("{\"access_token\":\"ya29.x-y_z\"}"), 0);
	CHECK_INT(life_of("{\"expires_in\":3599}"), 0);
	CHECK_INT(life_of("{\"access_token\":\"\",\"expires_in\":9}"), 0);
	CHECK_INT(life_of("{\"access_token\":\"a b\",\"expires_in\":9}"), 0);
	CHECK_INT(life_of("{\"access_token\":\"a\\r\\nb\",\"expires_in\":9}"),
		  0);
	CHECK_INT(life_of("{\"access_token\":\"a\",\"expires_in\":0}"), 0);
	CHECK_INT(life_of("{\"access_token\":\"a\",\"expires_in\":-1}"), 0);
	CHECK_INT(life_of("{\"access_token\":\"a\",\"expires_in\":1e9}"), 0);
	CHECK_INT(life_of("{\"error\":\"invalid_grant\"}"), 0);
}

int
main(void)
{
	RUN(a_key_file_is_read);
	RUN(what_is_no_key_file_is_refused_with_a_reason);
	RUN(the_request_is_a_signed_statement);
	RUN(a_private_key_that_is_none_signs_nothing);
	RUN(answers_are_believed_only_if_they_are_whole);
	return tap_done();
}
