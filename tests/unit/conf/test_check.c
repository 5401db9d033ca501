#include "conf/rules.h"
#include "tests/unit/conf/help.h"

#define MODEL "models = ( { name = \"m\"; input = \"1\"; } );\n"
#define CHANNEL(rest)                                                     \
	"channels = ( { name = \"c\"; provider = \"openai\"; "            \
	"base_url = \"https://a\"; models = ( { name = \"m\"; } ); " rest \
	" } );\n"
#define VERTEX(rest)                                                      \
	"channels = ( { name = \"c\"; provider = \"vertex\"; "            \
	"base_url = \"https://a\"; models = ( { name = \"m\"; } ); " rest \
	" } );\n"
#define DEMO(rest) \
	"channels = ( { name = \"d\"; provider = \"demo\"; " rest " } );\n"

static const struct {
	const char *text;
	const char *error;
} rules[] = {
	{LISTEN "models = ( { name = \"m\"; } );",
	 "t:2: models.input: the model 'm' has no price; give one, or say "
	 "free = true"},
	{LISTEN "models = ( { name = \"m\"; output = \"1\"; } );",
	 "t:2: models.input: the model 'm' has no price; give one, or say "
	 "free = true"},
	{LISTEN "models = ( { name = \"m\"; free = true; },\n"
		"{ name = \"m\"; free = true; } );",
	 "t:3: models.name: the model 'm' is there twice"},
	{LISTEN "models = ( { name = \"m\"; input = \"1\"; "
		"effective_from = \"2026-12-01\"; },\n{ name = \"m\"; input = "
		"\"2\"; effective_from = \"2026-12-01T00:00:00Z\"; } );",
	 "t:3: models.name: the model 'm' is there twice from the same time "
	 "on"},
	{LISTEN "models = ( { name = \"m\"; input = \"1\"; "
		"effective_from = \"soon\"; } );",
	 "t:2: models.effective_from: 'soon' is no time like "
	 "2026-12-01T00:00:00Z"},
	{LISTEN "models = ( { name = \"m\"; input = \"1\"; tiers = ( { above = "
		"9; input = \"2\"; },\n{ above = 9; input = \"3\"; } ); } );",
	 "t:3: models.tiers.above: is not above the tier before"},
	{LISTEN
	 "models = ( { name = \"m\"; input = \"1\"; cache_write = \"3\"; "
	 "tiers = ( { above = 9; input = \"2\"; } ); } );",
	 "t:2: models.tiers: a price is lower than for shorter inputs; give "
	 "cache_read, cache_write, output and reasoning of the tier, too"},
	{LISTEN "groups = ( { name = \"g\"; }, { name = \"g\"; } );",
	 "t:2: groups.name: the group 'g' is there twice"},
	{LISTEN CHANNEL(""),
	 "t:2: channels.models.name: the model 'm' is not in the price book; "
	 "add it to models"},
	{LISTEN MODEL CHANNEL("groups = ( \"gold\" );"),
	 "t:3: channels.groups: there is no group 'gold'"},
	{LISTEN MODEL DEMO(
		 "models = ( { name = \"m\"; }, { name = \"m\"; } );"),
	 "t:3: channels.models.name: the model 'm' is there twice"},
	{LISTEN MODEL DEMO("models = ( );"),
	 "t:3: channels.models: is required"},
	{LISTEN MODEL DEMO("base_url = \"http://a\"; "
			   "models = ( { name = \"m\"; } );"),
	 "t:3: channels.base_url: the provider demo is embedded and has no "
	 "address"},
	{LISTEN MODEL CHANNEL("probe = { status = 200; };"),
	 "t:3: channels.probe: path, method and status need by = \"request\""},
	{LISTEN MODEL CHANNEL("probe = { by = \"request\"; path = \"up\"; };"),
	 "t:3: channels.probe.path: must begin with /"},
	{LISTEN MODEL CHANNEL("probe = { by = \"request\"; path = \"/a b\"; "
			      "};"),
	 "t:3: channels.probe.path: may not hold spaces, '#' or control "
	 "characters"},
	{LISTEN MODEL CHANNEL("probe = { by = \"request\"; status = 100; };"),
	 "t:3: channels.probe.status: must be 0 or 200 to 599"},
	{LISTEN MODEL DEMO("probe = { by = \"request\"; }; models = ( { "
			   "name = \"m\"; } );"),
	 "t:3: channels.probe: the provider demo is embedded"},
	{LISTEN MODEL "channels = ( { name = \"c\"; provider = \"openai\"; "
		      "models = ( { name = \"m\"; } ); } );",
	 "t:3: channels.base_url: is required"},
	{LISTEN MODEL CHANNEL("fail_every = 3;"),
	 "t:3: channels.provider: first_token_delay, tokens_per_second, "
	 "fail_every and limit are for the provider demo only"},
	{LISTEN MODEL CHANNEL("keys = ( \"sk-1\\nX: y\" );"),
	 "t:3: channels.keys: key 1 is empty or holds bytes that no header can "
	 "carry"},
	{LISTEN MODEL CHANNEL("keys = ( \"\" );"),
	 "t:3: channels.keys: key 1 is empty or holds bytes that no header can "
	 "carry"},
#define K8 "\"k\",\"k\",\"k\",\"k\",\"k\",\"k\",\"k\",\"k\","
	{LISTEN MODEL CHANNEL("keys = ( " K8 K8 K8 K8 K8 K8 K8 K8 "\"k\" );"),
	 "t:3: channels.keys: 65 keys are too many for one channel: 64 at "
	 "most; make a second channel for the rest"},
	{LISTEN MODEL VERTEX(""),
	 "t:3: channels.project: a project's id is required here: it stands in "
	 "every path"},
	{LISTEN MODEL VERTEX("project = \"a/../b\";"),
	 "t:3: channels.project: a project's id is required here: it stands in "
	 "every path"},
	{LISTEN MODEL VERTEX("project = \"p\"; location = \"a?b\";"),
	 "t:3: channels.location: is no name of a location"},
	{LISTEN MODEL CHANNEL("organization = \"a b\";"),
	 "t:3: channels.organization: may not hold spaces or control "
	 "characters"},
	{"listen = ( { address = \"127.0.0.1:80\"; },\n"
	 "{ address = \"localhost:80\"; } );",
	 "t:2: listen.address: localhost:80 is there twice"},
	{"listen = ( { address = \"127.0.0.1:80\"; certificate = "
	 "\"/dev/null\"; } );",
	 "t:1: listen.certificate: /dev/null does not hold a PEM certificate"},
	{"listen = ( { address = \"127.0.0.1:80\"; private_key = "
	 "\"01234567890123456789012345678901234567\"; } );",
	 "t:1: listen.certificate: certificate and private_key go together"},
	{LISTEN "admin = { address = \"127.0.0.1:81\"; };",
	 "t:1: admin.token: an admin address needs a token"},
	{LISTEN "admin = { address = \"127.0.0.1:8080\"; token = "
		"\"0123456789abcdef\"; };",
	 "t:1: listen.address: 127.0.0.1:8080 is the address of the admin "
	 "listener"},
	{LISTEN "cors = { origins = ( \"example.com\" ); };",
	 "t:1: cors.origins: 'example.com' must be \"*\" or like "
	 "\"https://app.example.com\""},
	{LISTEN "cors = { origins = ( \"https://a/\" ); };",
	 "t:1: cors.origins: 'https://a/' must be \"*\" or like "
	 "\"https://app.example.com\""},
	{LISTEN "cors = { headers = ( \"a b\" ); };",
	 "t:1: cors.headers: 'a b' is no header name"},
	{LISTEN "limits = { worker_memory = \"1MiB\"; };",
	 "t:1: limits.body_size: is larger than limits.worker_memory"},
	{LISTEN "resolver = ( \"192.0.2.1\", \"dns.example.com\" );",
	 "t:1: resolver: 'dns.example.com' is no address like "
	 "\"192.0.2.53\" or \"[::1]:5353\""},
	{LISTEN "resolver = ( \"192.0.2.1:99999\" );",
	 "t:1: resolver: '192.0.2.1:99999' is no address like "
	 "\"192.0.2.53\" or \"[::1]:5353\""},
	{LISTEN "resolver = ( \"192.0.2.1/a\" );",
	 "t:1: resolver: '192.0.2.1/a' is no address like "
	 "\"192.0.2.53\" or \"[::1]:5353\""},
	{LISTEN "limits = { event_size = \"2MiB\"; response_size = \"1MiB\"; "
		"};",
	 "t:1: limits.event_size: is larger than limits.response_size"},
};

TEST(each_broken_rule_is_told)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const char *error = error_of(rules[i].text);
		const char *at = strchr(rules[i].error, ' ');

		/* Rules of no single line stand at the file's first one. */
		if (strncmp(rules[i].error, "t:1: ", 5) == 0)
			error = strchr(error, ' ') ? strchr(error, ' ') : error;
		else
			at = rules[i].error;
		CHECK_STR(error, at);
	}
}

static bool
warns(const struct conf *c, const char *part)
{
	for (uint32_t i = 0; i < c->n_warnings; i++)
		if (str_search(c->warnings[i], str_of(part)) >= 0)
			return true;
	return false;
}

TEST(a_model_may_have_several_prices_and_tiers)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c = NULL;
	const char *text =
		LISTEN "models = ( { name = \"m\"; input = \"1\"; output = "
		       "\"5\"; tiers = ( { above = 200000; input = \"2\"; } );"
		       " }, { name = \"n\"; free = true; }, { name = \"m\"; "
		       "input = \"4\"; effective_from = "
		       "\"1970-01-02T00:00:00Z\"; } );\n" DEMO(
			       "models = ( { name = \"n\"; }, { name = "
			       "\"m\"; } );");

	CHECK(conf_load_text(str_of(text), "t", NULL, &c, &error));
	if (!c)
		return;
	CHECK_INT(c->n_warnings, 0);
	CHECK_INT(c->n_models, 3);
	CHECK_INT(c->models[0].effective_ms, 0);
	CHECK_INT(c->models[2].effective_ms, 86400000);
	CHECK_INT(c->models[0].n_tiers, 1);
	CHECK_INT(c->models[0].tiers[0].above, 200000);
	CHECK_INT(c->models[0].tiers[0].cache_read.pico, 2000000);
	CHECK_INT(c->models[0].tiers[0].reasoning.pico, 5000000);
	CHECK_INT(c->channels[0].models[1].model, 0);
	conf_free(c);
}

TEST(what_is_only_unwise_is_a_warning)
{
	const struct conf *c = loaded(
		LISTEN "models = ( { name = \"m\"; input = \"1\"; }, "
		       "{ name = \"idle\"; free = true; } );"
		       "channels = ( { name = \"c\"; provider = \"openai\"; "
		       "base_url = \"http://far.example\"; keys = "
		       "( \"sk-123\" ); models = ( { name = \"m\"; } ); }, "
		       "{ name = \"d\"; provider = \"demo\"; models = ( { "
		       "name = \"m\"; } ); } );");

	CHECK(warns(c, "idle: no channel offers this model"));
	CHECK(warns(c, "go over the network in clear"));
	CHECK(warns(c, "demo channels stand beside real ones"));
	CHECK(warns(c, "a secret stands in the configuration"));
	CHECK_INT(c->n_warnings, 4);
	conf_free(c);
}

TEST(a_thousand_warnings_are_cut_short)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const struct conf *c;

	buf_add_cstr(&text, LISTEN "models = ( { name = \"m\"; free = true; }");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, ", { name = \"m%d\"; free = true; }", i);
	buf_add_cstr(&text, " );");
	buf_add_char(&text, '\0');
	c = loaded(text.p);
	CHECK_INT(c->n_warnings, 64);
	conf_free(c);
}

int
main(void)
{
	RUN(each_broken_rule_is_told);
	RUN(a_model_may_have_several_prices_and_tiers);
	RUN(what_is_only_unwise_is_a_warning);
	RUN(a_thousand_warnings_are_cut_short);
	return tap_done();
}
