/* conf/credentials.c: access keys, profiles, what fits together. */
#include "conf/dump.h"
#include "tests/unit/conf/help.h"

#define MODEL "models = ( { name = \"m\"; free = true; } );\n"
#define CHANNEL(more)                                                   \
	"channels = ( { name = \"c\"; provider = \"openai\"; "          \
	"base_url = \"https://a.example\"; models = ( { name = \"m\"; " \
	"} );\n" more "\n} );\n"
#define AWS(more)   LISTEN MODEL CHANNEL("auth = \"aws\"; " more)
#define OTHER(more) LISTEN MODEL CHANNEL(more)
#define REGION	    "region = \"us-east-1\"; "
#define PAIR	    "access_key_id = \"AKIA\"; secret_access_key = \"s\"; "
#define ACCOUNT	    "service_account = \"0123456789012345678901234567890123\"; "

static bool
is(struct secret s, const char *text)
{
	return str_eq(secret_bytes(s), str_of(text));
}

TEST(an_access_key_is_a_group_among_texts)
{
	const struct conf *c =
		loaded(AWS(REGION "keys = ( { " PAIR
				  "session_token = \"t\"; }, \"plain\" );"));
	const struct conf_channel *ch = &c->channels[0];

	CHECK_INT(ch->n_keys, 2);
	CHECK(is(ch->keys[0].access_key_id, "AKIA"));
	CHECK(is(ch->keys[0].secret_access_key, "s"));
	CHECK(is(ch->keys[0].session_token, "t"));
	CHECK(!secret_is_set(ch->keys[0].key));
	CHECK(is(ch->keys[1].key, "plain"));
	CHECK(!secret_is_set(ch->keys[1].access_key_id));
	CHECK_INT(ch->keys[1].where.line, 4);
	conf_free(c);
}

TEST(a_key_has_a_name_and_a_budget_or_its_place)
{
	CLEANUP(buf_free) struct buf once = BUF_INIT;
	const struct conf *c = loaded(
		OTHER("keys = ( \"aaaa\", { key = \"bbbb\"; name = \"team-2\"; "
		      "daily_budget = \"1.50\"; } );"));
	const struct conf_credential *k = c->channels[0].keys;

	CHECK(str_eq(k[0].label, STR("0")));
	CHECK_INT(k[0].daily_budget.nano, 0);
	CHECK(str_eq(k[1].label, STR("team-2")));
	CHECK_INT(k[1].daily_budget.nano, 1500000000);
	conf_dump(c, &once);
	buf_add_char(&once, '\0');
	CHECK(strstr(once.p, "daily_budget = \"1.50\"") != NULL);
	conf_free(c);
}

TEST(names_of_keys_are_unique_and_no_places)
{
	CHECK_STR(error_of(OTHER("keys = ( { key = \"a\"; name = \"x\"; }, "
				 "{ key = \"b\"; name = \"x\"; } );")),
		  "t:4: channels.keys.name: the key 'x' is there twice");
	CHECK_STR(error_of(OTHER("keys = ( { key = \"a\"; name = \"1\"; } );")),
		  "t:4: channels.keys.name: '1' is no name: use visible "
		  "characters, not digits alone");
	CHECK_STR(
		error_of(OTHER("keys = ( { key = \"a\"; name = \"a b\"; } );")),
		"t:4: channels.keys.name: 'a b' is no name: use visible "
		"characters, not digits alone");
}

TEST(a_profile_of_a_credentials_file_gives_the_parts)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT, once = BUF_INIT;
	const char *path = write_file("aws", "[other]\n"
					     "aws_access_key_id = AKIA0\n"
					     "[work]\n"
					     "aws_access_key_id = AKIA1\n"
					     "aws_secret_access_key = s1\n");
	const struct conf *c;

	buf_printf(&text,
		   AWS(REGION "keys = ( { profile = \"work\"; "
			      "credentials_file = \"%s\"; } );") "%c",
		   path, 0);
	c = loaded(text.p);
	CHECK(is(c->channels[0].keys[0].access_key_id, "AKIA1"));
	CHECK(is(c->channels[0].keys[0].secret_access_key, "s1"));
	CHECK(!secret_is_set(c->channels[0].keys[0].session_token));
	conf_dump(c, &once);
	buf_add_char(&once, '\0');
	CHECK(strstr(once.p, "/aws#work.aws_secret_access_key\"") != NULL);
	conf_free(c);
	c = loaded(once.p); /* what is dumped says the same */
	CHECK(is(c->channels[0].keys[0].secret_access_key, "s1"));
	conf_free(c);
	CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1) == 0);
	c = loaded(AWS(REGION "keys = ( { profile = \"work\"; } );"));
	CHECK(is(c->channels[0].keys[0].access_key_id, "AKIA1"));
	conf_free(c);
	CHECK_STR(error_of(AWS(REGION "keys = ( { profile = \"other\"; } );")),
		  "t:4: channels.keys: there is no key "
		  "'aws_secret_access_key' in that section");
	CHECK(unsetenv("AWS_SHARED_CREDENTIALS_FILE") == 0);
}

TEST(without_keys_the_environment_is_asked)
{
	const struct conf *c;

	CHECK(unsetenv("AWS_SESSION_TOKEN") == 0);
	CHECK(setenv("AWS_ACCESS_KEY_ID", "AKIA2", 1) == 0);
	CHECK(setenv("AWS_SECRET_ACCESS_KEY", "s2", 1) == 0);
	c = loaded(AWS(REGION));
	CHECK_INT(c->channels[0].n_keys, 1);
	CHECK(is(c->channels[0].keys[0].secret_access_key, "s2"));
	CHECK(!secret_is_set(c->channels[0].keys[0].session_token));
	conf_free(c);
	CHECK(setenv("AWS_SESSION_TOKEN", "t2", 1) == 0);
	c = loaded(AWS(REGION));
	CHECK(is(c->channels[0].keys[0].session_token, "t2"));
	conf_free(c);
	c = loaded(OTHER(""));
	CHECK_INT(c->channels[0].n_keys, 0);
	conf_free(c);
	CHECK(unsetenv("AWS_ACCESS_KEY_ID") == 0);
	c = loaded(AWS(REGION));
	CHECK_INT(c->channels[0].n_keys, 0);
	conf_free(c);
}

/* Configurations that are refused, and why. */
static const struct {
	const char *text;
	const char *error;
} refused[] = {
	{AWS("keys = ( { " PAIR "} );"),
	 "t:3: channels.region: is required: signatures name it"},
	{AWS(REGION "keys = ( { access_key_id = \"AKIA\"; } );"),
	 "t:4: channels.keys: access_key_id and secret_access_key go together"},
	{AWS(REGION "keys = ( { secret_access_key = \"s\"; } );"),
	 "t:4: channels.keys: access_key_id and secret_access_key go together"},
	{AWS(REGION "keys = ( { " PAIR "key = \"k\"; } );"),
	 "t:4: channels.keys.key: does not go with access_key_id"},
	{AWS(REGION "keys = ( { " PAIR "session_token = \"a b\"; } );"),
	 "t:4: channels.keys.session_token: holds bytes that no header can "
	 "carry"},
	{AWS(REGION "keys = ( { " PAIR "profile = \"p\"; } );"),
	 "t:4: channels.keys.profile: stands in place of the other keys"},
	{AWS(REGION "keys = ( { credentials_file = \"/x\"; } );"),
	 "t:4: channels.keys.credentials_file: needs a profile"},
	{AWS(REGION "keys = ( { profile = \"p\"; credentials_file = "
		    "\"/nonexistent/x\"; } );"),
	 "t:4: channels.keys: the file '/nonexistent/x' No such file or "
	 "directory"},
	{OTHER("keys = ( { " PAIR "} );"),
	 "t:4: channels.keys: access_key_id, secret_access_key and profile are "
	 "for auth = \"aws\""},
	{OTHER("keys = ( { } );"),
	 "t:4: channels.keys: key 1 is empty or holds bytes that no header can "
	 "carry"},
	{OTHER("keys = ( 1 );"),
	 "t:4: channels.keys: must be a list of secrets: ( \"env:NAME\" )"},
	{OTHER("keys = ( { ky = \"x\"; } );"),
	 "t:4: channels.keys.ky: unknown key; did you mean 'key'?"},
	{OTHER("auth = \"basic\";"),
	 "t:4: channels.auth: must be one of \"usual\" \"bearer\" "
	 "\"x-api-key\" \"x-goog-api-key\" \"api-key\" \"aws\" \"google\" "
	 "\"hmac\""},
	{OTHER("auth = \"google\";"), "t:3: channels.service_account: is "
				      "required for auth = \"google\""},
	{OTHER("auth = \"bearer\"; " ACCOUNT),
	 "t:3: channels.service_account: is for auth = \"google\""},
	{OTHER("keys = ( \"k\" ); " ACCOUNT),
	 "t:3: channels.service_account: stands in place of keys"},
	{OTHER("auth = \"hmac\"; hmac_header = \"X: y\";"),
	 "t:3: channels.hmac_header: must be of a-z, 0-9 and '-'"},
	{OTHER("hmac_algorithm = \"md5\";"),
	 "t:4: channels.hmac_algorithm: must be one of \"sha256\""},
};

TEST(what_does_not_fit_together_is_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		CHECK_STR(error_of(refused[i].text), refused[i].error);
}

int
main(void)
{
	CHECK(unsetenv("AWS_ACCESS_KEY_ID") == 0);
	RUN(an_access_key_is_a_group_among_texts);
	RUN(a_key_has_a_name_and_a_budget_or_its_place);
	RUN(names_of_keys_are_unique_and_no_places);
	RUN(a_profile_of_a_credentials_file_gives_the_parts);
	RUN(without_keys_the_environment_is_asked);
	RUN(what_does_not_fit_together_is_refused_by_name);
	remove_folder();
	return tap_done();
}
