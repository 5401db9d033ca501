/* adapters/hmac.c, and how the head presents each kind of credential. */
#include "adapters/adapter.h"
#include "adapters/hmac.h"
#include "tests/tap.h"

#define NOW 1795211880u

static struct arena arena;

static const char *
value(const char *key, const char *target, uint64_t now_s, const char *body)
{
	struct pieces p = {.n = 0};
	size_t half = strlen(body) / 2;

	pieces_add(&p, str_make(body, half));
	pieces_add(&p, str_of(body + half));
	return hmac_value(&arena, str_of(key), STR("POST"), str_of(target),
			  now_s, &p)
		.p;
}

TEST(the_signature_is_that_of_the_documented_text)
{
	CHECK_STR(value("a-key", "/v1/x?y=1", NOW, "{\"a\":1}"),
		  "t=1795211880,v1=f3a60818767df776023efcbfad40c65842bdc8643737"
		  "c9907ba81b90d31c27aa");
}

TEST(key_target_time_and_body_all_count)
{
	const char *first = value("a-key", "/x", NOW, "{}");

	CHECK(strcmp(value("a-kez", "/x", NOW, "{}"), first) != 0);
	CHECK(strcmp(value("a-key", "/y", NOW, "{}"), first) != 0);
	CHECK(strcmp(value("a-key", "/x", NOW + 1, "{}"), first) != 0);
	CHECK(strcmp(value("a-key", "/x", NOW, "[]"), first) != 0);
	CHECK_STR(value("a-key", "/x", NOW, "{}"), first);
}

/* The head of a request that presents its credential so. */
static const char *
head(const struct target *t)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct pieces body = {.n = 0}, out;
	char text[2048];
	size_t n = 0;

	pieces_add(&body, STR("{\"a\":1}"));
	if (adapter_request(&arena, adapter_find(STR("openai")), &ask, t, &body,
			    &out) != E_OK)
		return "";
	for (unsigned i = 0; i < out.n; i++) {
		memcpy(text + n, out.iov[i].iov_base, out.iov[i].iov_len);
		n += out.iov[i].iov_len;
	}
	CHECK(n > 11 && memcmp(text + n - 11, "\r\n\r\n{\"a\":1}", 11) == 0);
	return arena_dup(&arena, str_make(text, n - 9)).p;
}

static const char *
head_of(enum auth auth)
{
	return head(&(struct target){
		.host = STR("h"),
		.path = STR("/base"),
		.auth = auth,
		.credential = STR("a-key"),
		.signature_field = STR("x-signature"),
		.region = STR("eu-west-1"),
		.now_s = NOW,
	});
}

static bool
ends(const char *text, const char *end)
{
	return str_ends(str_of(text), str_of(end));
}

TEST(a_channel_may_present_its_key_in_another_field)
{
	CHECK(ends(head_of(AUTH_USUAL), "\r\nauthorization: Bearer a-key\r\n"));
	CHECK(ends(head_of(AUTH_BEARER),
		   "\r\nauthorization: Bearer a-key\r\n"));
	CHECK(ends(head_of(AUTH_GOOGLE),
		   "\r\nauthorization: Bearer a-key\r\n"));
	CHECK(ends(head_of(AUTH_X_API_KEY), "\r\nx-api-key: a-key\r\n"));
	CHECK(ends(head_of(AUTH_GOOG_KEY), "\r\nx-goog-api-key: a-key\r\n"));
	CHECK(ends(head_of(AUTH_API_KEY), "\r\napi-key: a-key\r\n"));
}

TEST(a_signed_head_never_holds_the_key)
{
	const char *text = head_of(AUTH_HMAC);

	CHECK(ends(text, "\r\nx-signature: t=1795211880,v1=bc9e4712434203fc1b74"
			 "db8019d96eecb8f7b782256d2ac99533a9d3f7612ad0\r\n"));
	CHECK(strstr(text, "a-key") == NULL);
}

TEST(a_key_of_aws_without_a_secret_is_a_bearer)
{
	struct target t = {.host = STR("h"),
			   .auth = AUTH_AWS,
			   .credential = STR("a-key"),
			   .region = STR("eu-west-1"),
			   .now_s = NOW};
	const char *text;

	CHECK(ends(head(&t), "\r\nauthorization: Bearer a-key\r\n"));
	t.secret = STR("a-secret");
	text = head(&t);
	CHECK(strstr(text,
		     "authorization: AWS4-HMAC-SHA256 Credential=a-key/"
		     "20261120/eu-west-1/bedrock/aws4_request, ") != NULL);
	CHECK(strstr(text, "Bearer") == NULL);
	CHECK(strstr(text, "a-secret") == NULL);
}

TEST(without_a_credential_none_is_presented)
{
	const char *text = head(&(struct target){.host = STR("h")});

	CHECK(strstr(text, "authorization") == NULL);
	CHECK(strstr(text, "Bearer") == NULL);
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_signature_is_that_of_the_documented_text);
	RUN(key_target_time_and_body_all_count);
	RUN(a_channel_may_present_its_key_in_another_field);
	RUN(a_signed_head_never_holds_the_key);
	RUN(a_key_of_aws_without_a_secret_is_a_bearer);
	RUN(without_a_credential_none_is_presented);
	arena_free(&arena);
	return tap_done();
}
