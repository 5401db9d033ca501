/* adapters/sigv4.c: against published signatures, and those of an SDK. */
#include "adapters/sigv4.h"
#include "tests/tap.h"

#define EMPTY_HASH \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* 2015-08-30T12:36:00Z, 2013-05-24T00:00:00Z, 2026-11-20T21:58:00Z */
#define T2015 1440938160u
#define T2013 1369353600u
#define T2026 1795211880u

static struct arena arena;

/* Whose names and secrets are in the documentation. */
static struct sigv4_scope
scope(const char *service, uint64_t now_s)
{
	bool s3 = strcmp(service, "s3") == 0;

	return (struct sigv4_scope){
		s3 ? STR("AKIAIOSFODNN7EXAMPLE") : STR("AKIDEXAMPLE"),
		s3 ? STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
		   : STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		STR("us-east-1"), str_of(service), now_s};
}

/* The signature alone. */
static const char *
signature(struct sigv4_scope s, const struct sigv4_request *r)
{
	struct str value = sigv4_authorization(&arena, &s, r);
	ptrdiff_t at = str_search(value, STR("Signature="));

	return at < 0 ? "" : value.p + at + 10;
}

static const char *
suite_get(struct str target)
{
	const struct sigv4_field fields[] = {
		{STR("host"), STR("example.amazonaws.com")},
		{STR("x-amz-date"), STR("20150830T123600Z")}};

	return signature(scope("service", T2015),
			 &(struct sigv4_request){STR("GET"), target, fields, 2,
						 STR(EMPTY_HASH)});
}

static const char *
s3_get(struct str target)
{
	const struct sigv4_field fields[] = {
		{STR("host"), STR("examplebucket.s3.amazonaws.com")},
		{STR("x-amz-content-sha256"), STR(EMPTY_HASH)},
		{STR("x-amz-date"), STR("20130524T000000Z")}};

	return signature(scope("s3", T2013),
			 &(struct sigv4_request){STR("GET"), target, fields, 3,
						 STR(EMPTY_HASH)});
}

TEST(the_time_has_no_separators)
{
	char text[SIGV4_TIME + 1];

	sigv4_time(T2015, text);
	CHECK_STR(text, "20150830T123600Z");
	sigv4_time(0, text);
	CHECK_STR(text, "19700101T000000Z");
}

TEST(the_signatures_of_the_published_suite_are_made)
{
	CHECK_STR(suite_get(STR("/")),
		  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763f"
		  "bf31");
	CHECK_STR(suite_get(STR("")), suite_get(STR("/")));
	CHECK_STR(suite_get(STR("/?Param2=value2&Param1=value1")),
		  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf"
		  "2500");
	CHECK_STR(suite_get(STR("/?Param1=value1&Param2=value2")),
		  suite_get(STR("/?Param2=value2&Param1=value1")));
}

TEST(the_signatures_of_the_storage_examples_are_made)
{
	CHECK_STR(s3_get(STR("/?lifecycle")),
		  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a013678"
		  "3543");
	CHECK_STR(s3_get(STR("/?max-keys=2&prefix=J")),
		  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69d"
		  "c6f7");
}

static struct str
bedrock_lines(struct str session)
{
	char one[] = "{\"messages\"", two[] = ":[]}";
	struct sigv4_scope s = scope("bedrock", T2026);
	struct pieces body = {.n = 0};

	pieces_add(&body, str_of(one));
	pieces_add(&body, str_of(two));
	return sigv4_lines(
		&arena, &s, session,
		STR("bedrock-runtime.us-east-1.amazonaws.com"),
		STR("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"),
		&body);
}

TEST(an_escaped_model_name_is_escaped_once_more)
{
	CHECK_STR(
		bedrock_lines(STR("")).p,
		"x-amz-date: 20261120T215800Z\r\nx-amz-content-sha256: "
		"5e4ce7b36ba37b78a5d5f9fd08e6b7b54ba6879d651aa46ec9e1d6fa24eb"
		"e30a\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE"
		"/20261120/us-east-1/bedrock/aws4_request, SignedHeaders=host;"
		"x-amz-content-sha256;x-amz-date, Signature="
		"88f0443be0fc661dad2892aeff9e1c87b12958a3a25d28d5aeec6bb5fdac"
		"3020\r\n");
}

TEST(a_session_token_is_sent_and_signed)
{
	CHECK_STR(
		bedrock_lines(STR("SESSION/token+==")).p,
		"x-amz-date: 20261120T215800Z\r\nx-amz-content-sha256: "
		"5e4ce7b36ba37b78a5d5f9fd08e6b7b54ba6879d651aa46ec9e1d6fa24eb"
		"e30a\r\nx-amz-security-token: SESSION/token+==\r\n"
		"authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE"
		"/20261120/us-east-1/bedrock/aws4_request, SignedHeaders=host;"
		"x-amz-content-sha256;x-amz-date;x-amz-security-token, "
		"Signature="
		"5f4c23cc854a96b36de6f9f9992a50824e2ff72a2a37109159fe71e4d7ad"
		"bde7\r\n");
}

TEST(any_other_byte_makes_another_signature)
{
	char target[] = "/model/a%3A0/converse";
	const char *first = suite_get(str_of(target));

	for (size_t i = 0; target[i]; i++) {
		target[i] ^= 1;
		CHECK(strcmp(suite_get(str_of(target)), first) != 0);
		target[i] ^= 1;
	}
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_time_has_no_separators);
	RUN(the_signatures_of_the_published_suite_are_made);
	RUN(the_signatures_of_the_storage_examples_are_made);
	RUN(an_escaped_model_name_is_escaped_once_more);
	RUN(a_session_token_is_sent_and_signed);
	RUN(any_other_byte_makes_another_signature);
	arena_free(&arena);
	return tap_done();
}
