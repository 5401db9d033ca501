/* Price lists of others as configuration text. */
#include "tools/prices.h"

#include <string.h>

#include "base/json.h"
#include "base/money.h"
#include "shm/accounts.h"
#include "shm/books.h"

__extension__ typedef __int128 wide;

/* USD per token to pico-USD per token, USD to nano-USD. */
#define PER_TOKEN 12u
#define PER_USD	  9u
/* Ratios, as whole numbers. */
#define RATIO	  9u
#define RATIO_ONE 1000000000ll
/* What the ratio 1 costs: 2 USD per million tokens. */
#define RATIO_PICO 2000000ll

/* ---- what both have in common ---- */

static bool
wanted(const struct price_list *l, struct str name)
{
	struct str rest = l->only;

	if (rest.n == 0)
		return true;
	while (rest.p)
		if (str_glob(str_trim(str_cut(&rest, ',')), name))
			return true;
	return false;
}

static void
leave_out(struct price_list *l, struct str name, const char *why)
{
	l->left_out++;
	buf_printf(l->said, "%.*s: %s\n", STR_ARG(name), why);
}

static bool
name_fits(struct price_list *l, struct str name)
{
	bool fits = name.n > 0 && name.n < MODEL_NAME;

	for (size_t i = 0; fits && i < name.n; i++)
		fits = (unsigned char)name.p[i] > ' ' && name.p[i] != 0x7f;
	if (!fits)
		leave_out(l, name, "not a name for a model");
	return fits;
}

static void
put_quoted(struct buf *out, struct str s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, s.p[i]);
	}
	buf_add_char(out, '"');
}

static void
put_price(struct buf *out, const char *key, int64_t pico)
{
	char text[MONEY_TEXT];

	(void)price_text((struct price){pico}, text);
	buf_printf(out, " %s = \"%s\";", key, text);
}

static void
begin_row(struct price_list *l, struct str name)
{
	buf_add_cstr(l->out, l->taken++ ? ",\n  { name = " : "\n  { name = ");
	put_quoted(l->out, name);
	buf_add_cstr(l->out, ";");
}

/* An amount of 0 and more; a cent of a cent is not lost without a word. */
static bool
scaled(struct price_list *l, struct json_value v, unsigned scale, int64_t *out)
{
	bool exact;

	if (!json_scaled(v, scale, out, &exact) || *out < 0)
		return false;
	l->rounded += !exact;
	return true;
}

/* The members of an object, each with its name unescaped. */
struct walk {
	struct json_iter it;
	struct buf name;
	struct json_value value;
};

static bool
walk_next(struct walk *w)
{
	struct str raw;

	if (!json_iter_next(&w->it, &raw, &w->value))
		return false;
	buf_reset(&w->name);
	return json_unescape((struct json_value){JSON_STRING, raw}, &w->name);
}

/* ---- LiteLLM ---- */

enum {
	L_MODE,
	L_INPUT,
	L_OUTPUT,
	L_CACHE_READ,
	L_CACHE_WRITE,
	L_REASONING,
	L_MAX_OUTPUT,
	L_MAX_TOKENS,
	L_MAX_INPUT,
	L_FIELDS
};

static const char *const litellm_fields[L_FIELDS] = {
	"mode",
	"input_cost_per_token",
	"output_cost_per_token",
	"cache_read_input_token_cost",
	"cache_creation_input_token_cost",
	"output_cost_per_reasoning_token",
	"max_output_tokens",
	"max_tokens",
	"max_input_tokens",
};

/* Prices from a length of the context on. */
#define TIER_FIELDS 4u
static const struct litellm_tier {
	uint32_t above;
	const char *fields[TIER_FIELDS];
} litellm_tiers[] = {
	{128000,
	 {"input_cost_per_token_above_128k_tokens",
	  "output_cost_per_token_above_128k_tokens",
	  "cache_read_input_token_cost_above_128k_tokens",
	  "cache_creation_input_token_cost_above_128k_tokens"}},
	{200000,
	 {"input_cost_per_token_above_200k_tokens",
	  "output_cost_per_token_above_200k_tokens",
	  "cache_read_input_token_cost_above_200k_tokens",
	  "cache_creation_input_token_cost_above_200k_tokens"}},
};
static const char *const tier_keys[TIER_FIELDS] = {"input", "output",
						   "cache_read", "cache_write"};

static bool
billed_by_token(struct json_value mode)
{
	static const char *const modes[] = {"chat", "completion", "responses",
					    "embedding"};

	if (mode.type == JSON_ABSENT)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (mode.type == JSON_STRING &&
		    json_str_eq(mode.raw, str_of(modes[i])))
			return true;
	return false;
}

static void
put_if(struct price_list *l, struct json_value v, const char *key)
{
	int64_t pico;

	if (scaled(l, v, PER_TOKEN, &pico))
		put_price(l->out, key, pico);
}

static void
put_tier(struct price_list *l, struct json_value model,
	 const struct litellm_tier *t, bool *any)
{
	struct json_value v[TIER_FIELDS];

	json_pick(model, t->fields, TIER_FIELDS, v);
	if (v[0].type != JSON_NUMBER)
		return;
	buf_printf(l->out,
		   *any ? ",\n      { above = %u;"
			: "\n    tiers = (\n      { above = %u;",
		   t->above);
	*any = true;
	for (unsigned i = 0; i < TIER_FIELDS; i++)
		put_if(l, v[i], tier_keys[i]);
	buf_add_cstr(l->out, " }");
}

static void
put_tiers(struct price_list *l, struct json_value model)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(litellm_tiers); i++)
		put_tier(l, model, &litellm_tiers[i], &any);
	if (any)
		buf_add_cstr(l->out, " );");
}

static void
put_count(struct price_list *l, struct json_value v, const char *key,
	  uint64_t most)
{
	uint64_t n;

	if (json_u64(v, &n) && n > 0 && n <= most)
		buf_printf(l->out, " %s = %llu;", key, (unsigned long long)n);
}

static void
take_litellm(struct price_list *l, struct str name, struct json_value model)
{
	struct json_value v[L_FIELDS];
	int64_t input;

	json_pick(model, litellm_fields, L_FIELDS, v);
	if (str_eq(name, STR("sample_spec")))
		return;
	if (model.type != JSON_OBJECT || !billed_by_token(v[L_MODE])) {
		leave_out(l, name, "not billed by the token");
		return;
	}
	if (!scaled(l, v[L_INPUT], PER_TOKEN, &input)) {
		leave_out(l, name, "no input_cost_per_token");
		return;
	}
	begin_row(l, name);
	put_price(l->out, "input", input);
	put_if(l, v[L_CACHE_READ], "cache_read");
	put_if(l, v[L_CACHE_WRITE], "cache_write");
	put_if(l, v[L_OUTPUT], "output");
	put_if(l, v[L_REASONING], "reasoning");
	put_count(l,
		  v[L_MAX_OUTPUT].type == JSON_NUMBER ? v[L_MAX_OUTPUT]
						      : v[L_MAX_TOKENS],
		  "max_output", 1u << 24);
	put_count(l, v[L_MAX_INPUT], "context", 1u << 28);
	put_tiers(l, model);
	buf_add_cstr(l->out, " }");
}

static bool
not_json(struct json_error e, struct buf *error)
{
	buf_printf(error, "%s at byte %zu", json_fault_text(e.fault), e.at);
	return false;
}

bool
prices_of_litellm(struct price_list *l, struct str text, struct buf *error)
{
	struct walk w = {.name = BUF_INIT};
	struct json_value root;
	struct json_error e;

	if (!json_valid(text, &root, &e))
		return not_json(e, error);
	if (root.type != JSON_OBJECT || !json_iter_init(&w.it, root)) {
		buf_add_cstr(error, "not an object of models");
		return false;
	}
	buf_add_cstr(l->out, "models = (");
	while (walk_next(&w))
		if (wanted(l, buf_str(&w.name)) &&
		    name_fits(l, buf_str(&w.name)))
			take_litellm(l, buf_str(&w.name), w.value);
	buf_add_cstr(l->out, "\n);\n");
	buf_free(&w.name);
	return true;
}

/* ---- New API ---- */

enum {
	N_MODEL,
	N_COMPLETION,
	N_CACHE,
	N_CREATE_CACHE,
	N_PRICE,
	N_GROUP,
	N_TABLES
};

static const char *const newapi_names[N_TABLES] = {
	"ModelRatio",	    "CompletionRatio", "CacheRatio",
	"CreateCacheRatio", "ModelPrice",      "GroupRatio"};
static const char *const newapi_other_names[N_TABLES] = {
	"model_ratio",	      "completion_ratio", "cache_ratio",
	"create_cache_ratio", "model_price",	  "group_ratio"};

struct ratios {
	struct json_value table[N_TABLES];
	struct buf text[N_TABLES]; /* of tables that were written as a text */
};

/* A table, or one that is written as a text. */
static struct json_value
open_table(struct json_value v, struct buf *text)
{
	struct json_value inner;
	struct json_error e;

	if (v.type != JSON_STRING)
		return v;
	if (!json_unescape(v, text) || !json_valid(buf_str(text), &inner, &e))
		return (struct json_value){.type = JSON_ABSENT};
	return inner;
}

static void
open_tables(struct ratios *r, struct json_value root)
{
	struct json_value v[N_TABLES], other[N_TABLES];
	struct json_value data = json_get(root, "data");

	if (data.type == JSON_OBJECT)
		root = data;
	json_pick(root, newapi_names, N_TABLES, v);
	json_pick(root, newapi_other_names, N_TABLES, other);
	for (unsigned i = 0; i < N_TABLES; i++)
		r->table[i] =
			open_table(v[i].type == JSON_ABSENT ? other[i] : v[i],
				   &r->text[i]);
}

static struct json_value
find(struct json_value table, struct str name)
{
	struct json_iter it;
	struct json_value v;
	struct str raw;

	if (table.type == JSON_OBJECT && json_iter_init(&it, table))
		while (json_iter_next(&it, &raw, &v))
			if (json_str_eq(raw, name))
				return v;
	return (struct json_value){.type = JSON_ABSENT};
}

/* What `base` pico-USD cost with the ratio of the table; false: it has none,
 * or one that makes no sense. */
static bool
times(struct price_list *l, struct json_value table, struct str name,
      int64_t base, int64_t *out)
{
	int64_t ratio;
	wide product;

	if (!scaled(l, find(table, name), RATIO, &ratio))
		return false;
	product = (wide)ratio * base;
	l->rounded += product % RATIO_ONE != 0;
	product = (product + RATIO_ONE / 2) / RATIO_ONE;
	if (product > (wide)RATIO_ONE * RATIO_ONE)
		return false;
	*out = (int64_t)product;
	return true;
}

static void
take_ratio(struct price_list *l, const struct ratios *r, struct str name)
{
	int64_t input, pico;

	if (!times(l, r->table[N_MODEL], name, RATIO_PICO, &input)) {
		leave_out(l, name, "a ratio that is no number");
		return;
	}
	begin_row(l, name);
	put_price(l->out, "input", input);
	if (times(l, r->table[N_CACHE], name, input, &pico))
		put_price(l->out, "cache_read", pico);
	if (times(l, r->table[N_CREATE_CACHE], name, input, &pico))
		put_price(l->out, "cache_write", pico);
	if (!times(l, r->table[N_COMPLETION], name, input, &pico)) {
		buf_printf(l->said,
			   "%.*s: no completion ratio, so output costs as "
			   "much as input\n",
			   STR_ARG(name));
		pico = input;
	}
	put_price(l->out, "output", pico);
	buf_add_cstr(l->out, " }");
}

static void
take_fixed_price(struct price_list *l, struct str name, struct json_value v)
{
	char text[MONEY_TEXT];
	int64_t nano;

	if (!scaled(l, v, PER_USD, &nano)) {
		leave_out(l, name, "a price that is no number");
		return;
	}
	(void)money_text(money_nano(nano), text);
	begin_row(l, name);
	buf_printf(l->out, " input = \"0\"; per_request = \"%s\"; }", text);
}

static void
put_groups(struct price_list *l, struct json_value table)
{
	struct walk w = {.name = BUF_INIT};
	char text[MONEY_TEXT];
	unsigned n = 0;
	int64_t ppm;

	if (table.type != JSON_OBJECT || !json_iter_init(&w.it, table))
		return;
	buf_add_cstr(l->out, "\ngroups = (");
	while (walk_next(&w)) {
		if (!scaled(l, w.value, 6, &ppm) || ppm > UINT32_MAX ||
		    w.name.n == 0 || w.name.n >= GROUP_NAME) {
			leave_out(l, buf_str(&w.name), "not a group");
			continue;
		}
		(void)ppm_text((uint32_t)ppm, text);
		buf_add_cstr(l->out, n++ ? ",\n  { name = " : "\n  { name = ");
		put_quoted(l->out, buf_str(&w.name));
		buf_printf(l->out, "; multiplier = \"%s\"; }", text);
	}
	buf_add_cstr(l->out, "\n);\n");
	buf_free(&w.name);
}

static void
take_models(struct price_list *l, const struct ratios *r, unsigned table)
{
	struct walk w = {.name = BUF_INIT};

	if (r->table[table].type == JSON_OBJECT &&
	    json_iter_init(&w.it, r->table[table])) {
		while (walk_next(&w)) {
			struct str name = buf_str(&w.name);

			if (!wanted(l, name) || !name_fits(l, name))
				continue;
			if (table == N_MODEL)
				take_ratio(l, r, name);
			else if (find(r->table[N_MODEL], name).type ==
				 JSON_ABSENT)
				take_fixed_price(l, name, w.value);
		}
	}
	buf_free(&w.name);
}

bool
prices_of_newapi(struct price_list *l, struct str text, struct buf *error)
{
	struct ratios r = {0};
	struct json_value root;
	struct json_error e;
	bool fine;

	if (!json_valid(text, &root, &e))
		return not_json(e, error);
	open_tables(&r, root);
	fine = r.table[N_MODEL].type == JSON_OBJECT ||
	       r.table[N_PRICE].type == JSON_OBJECT;
	if (fine) {
		buf_add_cstr(l->out, "models = (");
		take_models(l, &r, N_MODEL);
		take_models(l, &r, N_PRICE);
		buf_add_cstr(l->out, "\n);\n");
		put_groups(l, r.table[N_GROUP]);
	} else {
		buf_add_cstr(error, "neither ModelRatio nor ModelPrice in it");
	}
	for (unsigned i = 0; i < N_TABLES; i++)
		buf_free(&r.text[i]);
	return fine;
}
