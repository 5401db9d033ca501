/* Pages that cost nothing: models, the caller's balance, health. */
#include "base/clock.h"
#include "base/digits.h"
#include "billing/price.h"
#include "shm/counters.h"
#include "worker/prices.h"
#include "worker/request.h"

/* ---- models ---- */

/* Sold to this key: on its list, and a channel offers it to its group. */
static bool
sold(const struct request *req, const struct product *p)
{
	const struct key_row *key = &req->w->region->keys[req->key];

	if (!names_allow(key_texts(key)->models, p->conf->name))
		return false;
	for (unsigned i = 0; i < p->n_offers; i++)
		if (lane_serves(p->offers[i].lane, req->group))
			return true;
	return false;
}

static void
put_anthropic_model(struct json_out *o, uint64_t created_ns,
		    const struct product *p)
{
	char text[TIME_TEXT];

	json_open(o, '{');
	json_name(o, "type");
	json_put_str(o, STR("model"));
	json_name(o, "id");
	json_put_str(o, p->conf->name);
	json_name(o, "display_name");
	json_put_str(o, p->conf->name);
	json_name(o, "created_at");
	json_put_str(o, str_make(text, time_text(created_ns, 0, text)));
	json_close(o, '}');
}

static void
put_gemini_model(struct json_out *o, struct arena *a, const struct product *p)
{
	static const char *const methods[] = {
		"generateContent", "streamGenerateContent", "countTokens"};

	json_open(o, '{');
	json_name(o, "name");
	json_put_str(o, arena_printf(a, "models/%.*s", STR_ARG(p->conf->name)));
	json_name(o, "displayName");
	json_put_str(o, p->conf->name);
	if (p->conf->context > 0) {
		json_name(o, "inputTokenLimit");
		json_put_u64(o, p->conf->context);
	}
	json_name(o, "outputTokenLimit");
	json_put_u64(o, p->conf->max_output);
	json_name(o, "supportedGenerationMethods");
	json_open(o, '[');
	for (unsigned i = 0; i < ARRAY_LEN(methods); i++)
		json_put_str(o, str_of(methods[i]));
	json_close(o, ']');
	json_close(o, '}');
}

/* In the words of the dialect that asks. "Created" when the shared memory
 * was: the same in every worker. */
static void
put_model(struct json_out *o, struct request *req, const struct product *p)
{
	uint64_t created_ns = req->w->region->head->started_wall_ns;

	if (req->dialect == &dialect_anthropic) {
		put_anthropic_model(o, created_ns, p);
		return;
	}
	if (req->dialect == &dialect_gemini) {
		put_gemini_model(o, &req->arena, p);
		return;
	}
	json_open(o, '{');
	json_name(o, "id");
	json_put_str(o, p->conf->name);
	json_name(o, "object");
	json_put_str(o, STR("model"));
	json_name(o, "created");
	json_put_u64(o, created_ns / NS_PER_SEC);
	json_name(o, "owned_by");
	json_put_str(o, STR("tollgate"));
	json_close(o, '}');
}

static void
put_id(struct json_out *o, const char *name, const struct product *p)
{
	json_name(o, name);
	if (p)
		json_put_str(o, p->conf->name);
	else
		json_put_null(o);
}

void
page_models(struct request *req)
{
	bool anthropic = req->dialect == &dialect_anthropic;
	bool gemini = req->dialect == &dialect_gemini;
	const struct product *first = NULL, *last = NULL;
	struct worker *w = req->w;
	struct json_out o;

	buf_reset(&w->text);
	json_out_init(&o, &w->text);
	json_open(&o, '{');
	if (!anthropic && !gemini) {
		json_name(&o, "object");
		json_put_str(&o, STR("list"));
	}
	json_name(&o, gemini ? "models" : "data");
	json_open(&o, '[');
	for (unsigned i = 0; i < w->conf->n_models; i++) {
		if (!sold(req, &w->products[i]))
			continue;
		last = &w->products[i];
		first = first ? first : last;
		put_model(&o, req, last);
	}
	json_close(&o, ']');
	if (anthropic) {
		json_name(&o, "has_more");
		json_put_bool(&o, false);
		put_id(&o, "first_id", first);
		put_id(&o, "last_id", last);
	}
	json_close(&o, '}');
	reply_json(req, 200, buf_str(&w->text));
}

/* SDKs escape the slash of "vendor/model". */
struct str
page_unescape(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	if (!p)
		return STR("");
	for (size_t i = 0; i < s.n; i++) {
		int high = s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
		int low = s.n - i > 2 ? hex_digit(s.p[i + 2]) : -1;

		if (s.p[i] == '%' && high >= 0 && low >= 0 && high + low > 0) {
			p[n++] = (char)(high * 16 + low);
			i += 2;
		} else {
			p[n++] = s.p[i];
		}
	}
	p[n] = '\0';
	return str_make(p, n);
}

void
page_model(struct request *req)
{
	struct worker *w = req->w;
	struct str id = page_unescape(
		&req->arena, str_from(req->path, strlen(req->endpoint->path)));
	struct product *p = product_find(w, id);
	struct json_out o;

	if (!p || !sold(req, p)) {
		req->err = E_NO_MODEL;
		req->detail = id.p;
		req->param = "model";
		reply_error(req);
		return;
	}
	buf_reset(&w->text);
	json_out_init(&o, &w->text);
	put_model(&o, req, p);
	reply_json(req, 200, buf_str(&w->text));
}

/* ---- responses ---- */

/* What upstreams store for one account is nobody else's to see. */
void
page_stored(struct request *req)
{
	req->err = E_NOT_STORED;
	reply_error(req);
}

/* ---- balance ---- */

static void
put_money(struct json_out *o, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];
	size_t n = money_text(money_nano(nano), text);

	json_name(o, name);
	json_put_raw(o, str_make(text, n));
}

static void
put_counter(struct json_out *o, const struct counter *c)
{
	int64_t available = atomic_load(&c->available);
	int64_t balance = atomic_load(&c->balance);
	int64_t credit = atomic_load(&c->credit);

	put_money(o, "balance_usd", balance);
	put_money(o, "available_usd", available);
	put_money(o, "held_usd", balance + credit - available);
	if (credit != 0)
		put_money(o, "credit_limit_usd", credit);
}

static void
put_budget(struct json_out *o, const struct region *r, uint32_t key)
{
	const struct key_row *k = &r->keys[key];
	uint32_t window = atomic_load(&k->budget_window);
	uint64_t end_ms = atomic_load(&k->window_end_ms);
	char text[TIME_TEXT];

	json_name(o, "key_budget");
	json_open(o, '{');
	put_counter(o, &r->counters[counter_of_key(key)]);
	json_name(o, "window");
	json_put_str(o, str_of(budget_window_name(window)));
	put_money(o, "limit_usd", atomic_load(&k->budget_nano));
	json_name(o, "ends");
	if (window == BUDGET_TOTAL || end_ms == 0)
		json_put_null(o);
	else
		json_put_str(o, str_make(text, time_text(end_ms * NS_PER_MS, 0,
							 text)));
	json_close(o, '}');
}

static void
put_class(struct json_out *o, const char *name, struct price price)
{
	char text[MONEY_TEXT];
	size_t n = price_text(price, text);

	json_name(o, name);
	json_put_raw(o, str_make(text, n));
}

static void
put_classes(struct json_out *o, const struct book_tier *t)
{
	json_name(o, "usd_per_million");
	json_open(o, '{');
	put_class(o, "input", t->input);
	put_class(o, "cache_read", t->cache_read);
	put_class(o, "cache_write", t->cache_write);
	put_class(o, "output", t->output);
	put_class(o, "reasoning", t->reasoning);
	json_close(o, '}');
}

/* Prices that few models have. */
static void
put_units(struct json_out *o, const struct book_row *row)
{
	if (row->per_image.nano > 0)
		put_money(o, "usd_per_image", row->per_image.nano);
	if (row->per_second.nano > 0)
		put_money(o, "usd_per_second", row->per_second.nano);
	if (row->per_character.pico > 0)
		put_class(o, "usd_per_million_characters", row->per_character);
}

static void
put_tiers(struct json_out *o, const struct book_row *row)
{
	if (row->n_tiers == 0)
		return;
	json_name(o, "tiers");
	json_open(o, '[');
	for (unsigned i = 0; i < MIN_OF(row->n_tiers, (uint8_t)BOOK_TIERS);
	     i++) {
		json_open(o, '{');
		json_name(o, "above_input_tokens");
		json_put_u64(o, row->tiers[i].above);
		put_classes(o, &row->tiers[i]);
		json_close(o, '}');
	}
	json_close(o, ']');
}

/* List prices of one model, and what this customer's are times of them. */
static void
put_product(struct json_out *o, struct request *req, const struct product *p)
{
	const struct conf_group *group = &req->w->conf->groups[req->group];
	struct priced priced;
	struct book_tier first;
	char text[MONEY_TEXT];

	if (prices_of(req->w, &req->arena, req->account, p,
		      req->start_wall_ns / NS_PER_MS, &priced) != E_OK)
		return;
	first = price_tier(priced.row, 0);
	json_open(o, '{');
	json_name(o, "model");
	json_put_str(o, p->conf->name);
	json_name(o, "multiplier");
	(void)ppm_text(prices_multiplier(req->w, req->account, group, p), text);
	json_put_raw(o, str_of(text));
	put_classes(o, &first);
	put_money(o, "usd_per_request", priced.row->per_request.nano);
	put_units(o, priced.row);
	put_tiers(o, priced.row);
	json_close(o, '}');
}

static void
put_prices(struct json_out *o, struct request *req)
{
	struct str rest = req->query;
	bool wanted = false;

	while (rest.p)
		wanted |= str_eq(str_cut(&rest, '&'), STR("prices=true"));
	if (!wanted)
		return;
	json_name(o, "prices");
	json_open(o, '[');
	for (unsigned i = 0; i < req->w->conf->n_models; i++)
		if (sold(req, &req->w->products[i]))
			put_product(o, req, &req->w->products[i]);
	json_close(o, ']');
}

void
page_balance(struct request *req)
{
	struct worker *w = req->w;
	const struct region *r = w->region;
	struct json_out o;

	buf_reset(&w->text);
	json_out_init(&o, &w->text);
	json_open(&o, '{');
	json_name(&o, "object");
	json_put_str(&o, STR("balance"));
	json_name(&o, "account");
	json_put_str(&o, str_of(r->accounts[req->account].name));
	json_name(&o, "currency");
	json_put_str(&o, STR("USD"));
	put_counter(&o, &r->counters[counter_of_account(req->account)]);
	if (atomic_load(&r->keys[req->key].flags) & KEY_BUDGET)
		put_budget(&o, r, req->key);
	put_prices(&o, req);
	json_close(&o, '}');
	reply_json(req, 200, buf_str(&w->text));
}

/* ---- health ---- */

void
page_healthz(struct request *req)
{
	reply_json(req, 200, STR("{\"status\":\"ok\"}"));
}

static bool
any_channel_up(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_lanes; i++)
		if (channel_usable(w->region, w->lanes[i].row_index, w->now_ns))
			return true;
	return false;
}

/* Ready, if not for all models. */
static void
reply_ready(struct request *req, uint32_t models_out)
{
	struct buf *text = &req->w->text;

	buf_reset(text);
	buf_add_cstr(text, "{\"status\":\"ready\"");
	if (models_out > 0)
		buf_printf(text, ",\"models_without_channel\":%u", models_out);
	buf_add_char(text, '}');
	reply_json(req, 200, buf_str(text));
}

void
page_readyz(struct request *req)
{
	struct worker *w = req->w;
	const struct shm_head *head = w->region->head;

	if (w->draining || atomic_load(&head->draining))
		req->err = E_DRAINING;
	else if (atomic_load(&head->ledger_state) != LEDGER_OK)
		req->err = E_LEDGER;
	else if (!any_channel_up(w))
		req->err = E_NO_CHANNEL;
	if (req->err != E_OK)
		reply_error(req);
	else
		reply_ready(req, atomic_load(&head->models_out));
}
