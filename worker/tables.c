/*
 * The configuration as this worker uses it: channels with their adapters and
 * shared rows, models with who offers them. Made once at start; a reload
 * makes a new process.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "shm/queue.h"
#include "worker/caps.h"
#include "worker/demo.h"
#include "worker/prices.h"
#include "worker/process.h"
#include "worker/request.h"

static void
lane_way_out(struct lane *l)
{
	const struct conf_channel *c = l->conf;

	l->egress = (struct egress){.source = conf_source(c)};
	if (c->proxy.text.n == 0)
		return;
	l->egress.host = c->base_url.host;
	l->egress.port = c->base_url.port;
	l->egress.credential = secret_bytes(c->proxy_auth);
}

bool
lane_look(const struct worker *w, struct lane *l)
{
	struct channel_address a[CHANNEL_ADDRESSES];
	uint64_t way;
	uint32_t n = channel_addresses(w->region, l->row_index, a, &way);

	if (way != l->way)
		return l->n_addresses > 0;
	l->n_addresses = n;
	memcpy(l->addresses, a, n * sizeof(*a));
	return true;
}

static bool
lane_build(struct worker *w, unsigned i)
{
	const struct conf_channel *c = &w->conf->channels[i];
	struct lane *l = &w->lanes[i];
	CLEANUP(buf_free) struct buf host = BUF_INIT;
	bool usual = c->base_url.port == (c->base_url.tls ? 443 : 80);
	bool v6 = str_find(c->base_url.host, ':') >= 0;

	l->conf = c;
	l->index = i;
	l->adapter = adapter_find(c->provider);
	l->row_index = w->args->channel_rows[i];
	if (!l->adapter || l->row_index >= SHM_CHANNELS)
		return false;
	l->row = &w->region->channels[l->row_index];
	if (conf_has_queue(c))
		l->queue = queue_of(w->region, l->row_index);
	lane_way_out(l);
	l->way = conf_way(c);
	(void)lane_look(w, l);
	l->series = metrics_channel(w->metrics, c->name);
	if (l->adapter->flags & ADAPTER_EMBEDDED)
		buf_printf(&host, DEMO_HOST "%u", i);
	else
		buf_printf(&host, v6 ? "[%.*s]" : "%.*s",
			   STR_ARG(c->base_url.host));
	if (!usual && !(l->adapter->flags & ADAPTER_EMBEDDED))
		buf_printf(&host, ":%u", c->base_url.port);
	if (host.failed || !caps_of_lane(w, l))
		return false;
	l->host_field = buf_str(&host);
	host = BUF_INIT; /* the lane owns it now */
	return true;
}

static bool
offer_build(struct worker *w, struct product *p, struct offer *o,
	    struct lane *l, const struct conf_channel_model *m)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_out out;

	json_out_init(&out, &text);
	json_put_str(&out, m->upstream.n > 0 ? m->upstream : m->name);
	if (text.failed)
		return false;
	o->lane = l;
	o->model = m;
	o->upstream_json = buf_str(&text);
	o->series = metrics_model(w->metrics, p->conf->name, l->conf->name);
	text = BUF_INIT;
	return true;
}

/* Sorted in by priority; equal ones in the order of the file. */
static bool
product_add(struct worker *w, struct product *p, struct lane *l,
	    const struct conf_channel_model *m)
{
	struct offer *grown =
		realloc(p->offers, (p->n_offers + 1) * sizeof(*p->offers));
	unsigned at = p->n_offers;

	if (!grown)
		return false;
	p->offers = grown;
	while (at > 0 &&
	       p->offers[at - 1].lane->conf->priority > l->conf->priority) {
		p->offers[at] = p->offers[at - 1];
		at--;
	}
	if (!offer_build(w, p, &p->offers[at], l, m))
		return false;
	p->n_offers++;
	return true;
}

static bool
products_offer(struct worker *w)
{
	for (unsigned i = 0; i < w->n_lanes; i++) {
		const struct conf_channel *c = w->lanes[i].conf;

		for (unsigned j = 0; j < c->n_models; j++)
			if (!product_add(w, &w->products[c->models[j].model],
					 &w->lanes[i], &c->models[j]))
				return false;
	}
	return true;
}

static uint32_t
name_hash(struct str name)
{
	static const struct sip_key zero;

	return (uint32_t)siphash(&zero, name);
}

struct product *
product_find(const struct worker *w, struct str name)
{
	uint32_t at = name_hash(name) & w->product_mask;

	for (; w->product_table[at]; at = (at + 1) & w->product_mask) {
		struct product *p = &w->products[w->product_table[at] - 1];

		if (str_eq(p->conf->name, name))
			return p;
	}
	return NULL;
}

static bool
products_build(struct worker *w, const struct book *book)
{
	uint32_t n = w->conf->n_models, size = 16;

	while (size < 2 * n)
		size *= 2;
	w->product_mask = size - 1;
	w->products = calloc(n ? n : 1, sizeof(*w->products));
	w->product_table = calloc(size, sizeof(*w->product_table));
	if (!w->products || !w->product_table || n > book->n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct product *p = &w->products[i];
		uint32_t at;

		p->conf = &w->conf->models[i];
		p->prices = &book->rows[i];
		p->index = (uint16_t)i;
		caps_of_product(w, p);
		for (unsigned route = 0; route < ROUTE_IMAGES; route++)
			p->requests[route] = metrics_request(w->metrics, route,
							     p->conf->name);
		/* further prices of a name are found from the first */
		if (product_find(w, p->conf->name))
			continue;
		at = name_hash(p->conf->name) & w->product_mask;
		while (w->product_table[at])
			at = (at + 1) & w->product_mask;
		w->product_table[at] = i + 1;
	}
	return true;
}

bool
tables_build(struct worker *w)
{
	const struct book *book = &w->region->books[w->args->book];

	w->n_lanes = w->conf->n_channels;
	w->lanes = calloc(w->n_lanes ? w->n_lanes : 1, sizeof(*w->lanes));
	if (!w->lanes)
		return false;
	for (unsigned i = 0; i < w->n_lanes; i++)
		if (!lane_build(w, i))
			return false;
	w->price_version = atomic_load(&book->version);
	w->look = rules_look(w->conf);
	return products_build(w, book) && products_offer(w);
}

static void
lane_free(struct lane *l)
{
	free((void *)(uintptr_t)l->host_field.p);
	caps_free(l);
}

void
tables_free(struct worker *w)
{
	for (unsigned i = 0; w->products && i < w->conf->n_models; i++) {
		struct product *p = &w->products[i];

		for (unsigned j = 0; j < p->n_offers; j++)
			free((void *)(uintptr_t)p->offers[j].upstream_json.p);
		free(p->offers);
	}
	for (unsigned i = 0; w->lanes && i < w->n_lanes; i++)
		lane_free(&w->lanes[i]);
	pins_free(w);
	free(w->lanes);
	free(w->products);
	free(w->product_table);
}

bool
lane_serves(const struct lane *l, uint32_t group)
{
	if (l->conf->n_groups == 0)
		return true;
	for (unsigned i = 0; i < l->conf->n_groups; i++)
		if (l->conf->groups[i] == group)
			return true;
	return false;
}

bool
names_allow(const char *list, struct str name)
{
	struct str rest = str_of(list);

	if (rest.n == 0)
		return true;
	while (rest.p)
		if (str_glob(str_trim(str_cut(&rest, ',')), name))
			return true;
	return false;
}
