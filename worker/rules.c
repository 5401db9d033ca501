/*
 * Which route a request takes: the first of the configuration that matches.
 * Headers are looked at while the head is there and leave a bit each, and so
 * does metadata; what a condition needs beside them is found out only if some
 * route asks for it.
 */
#include "adapters/needs.h"
#include "adapters/tokens.h"
#include "base/clock.h"
#include "base/zone.h"
#include "worker/affinity.h"
#include "worker/request.h"

_Static_assert((int)NEED_TOOLS == (int)CONF_NEED_TOOLS &&
		       (int)NEED_VISION == (int)CONF_NEED_VISION &&
		       (int)NEED_JSON_SCHEMA == (int)CONF_NEED_JSON_SCHEMA &&
		       (int)NEED_AUDIO == (int)CONF_NEED_AUDIO &&
		       (int)NEED_FILE == (int)CONF_NEED_FILE,
	       "the configuration has the same bits");

/* What the routes and models ask about. */
enum look {
	LOOK_NEEDS = 1,
	LOOK_PROMPT = 2,
	LOOK_TIME = 4,
	LOOK_METADATA = 8,
};

/* What a client may write there has no bound of ours: providers take far
 * less. What is beyond matches nothing. */
#define METADATA_MEMBERS 64u
#define METADATA_BYTES	 4096u

unsigned
rules_look(const struct conf *c)
{
	unsigned look = c->n_route_metadata > 0 ? LOOK_METADATA : 0;

	for (uint32_t i = 0; i < c->n_routes; i++) {
		const struct conf_match *m = &c->routes[i].match;

		look |= m->needs_bits ? LOOK_NEEDS : 0;
		look |= m->prompt_min || m->prompt_max ? LOOK_PROMPT : 0;
		look |= m->days_bits || m->from_minute != m->to_minute
				? LOOK_TIME
				: 0;
	}
	for (uint32_t i = 0; i < c->n_channels; i++)
		for (uint32_t k = 0; k < c->channels[i].n_models; k++)
			if (c->channels[i].models[k].lacks_bits)
				look |= LOOK_NEEDS;
	return look;
}

/* What a request is, as far as somebody asks. */
struct traits {
	uint64_t metadata; /* of conf->route_metadata: those that match */
	uint64_t prompt;   /* tokens */
	uint64_t output;
	uint32_t weekday; /* 0 = Sunday */
	uint32_t minute;  /* of the day */
};

void
rules_head(struct request *req, const struct http_head *head)
{
	const struct conf *c = req->w->conf;

	for (uint32_t i = 0; i < c->n_route_headers; i++) {
		const struct conf_header *h = c->route_headers[i];
		bool match = false;

		for (unsigned k = 0; k < head->n_fields && !match; k++)
			match = str_ieq(head->fields[k].name, h->name) &&
				str_glob(h->value, head->fields[k].value);
		if (match)
			req->header_bits |= (uint64_t)1 << i;
	}
}

static bool
value_fits(struct json_value v, struct str pattern)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	if (v.raw.n > METADATA_BYTES)
		return false;
	switch (v.type) {
	case JSON_STRING:
		return json_unescape(v, &text) &&
		       str_glob(pattern, buf_str(&text));
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE: return str_glob(pattern, v.raw);
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT: break;
	}
	return false;
}

/* The conditions that hold; of members of one name the first counts. */
static uint64_t
metadata_bits(const struct conf *c, struct json_value metadata)
{
	uint64_t seen = 0, bits = 0;
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (metadata.type != JSON_OBJECT || !json_iter_init(&it, metadata))
		return 0;
	for (unsigned n = 0;
	     n < METADATA_MEMBERS && json_iter_next(&it, &name, &v); n++)
		for (uint32_t i = 0; i < c->n_route_metadata; i++) {
			const struct conf_label *l = c->route_metadata[i];
			uint64_t bit = (uint64_t)1 << i;

			if (seen & bit || !json_str_eq(name, l->name))
				continue;
			seen |= bit;
			bits |= value_fits(v, l->value) ? bit : 0;
		}
	return bits;
}

static bool
within(uint64_t v, uint32_t least, uint32_t most)
{
	return v >= least && (most == 0 || v <= most);
}

static bool
any_glob(uint32_t n, const struct str *globs, struct str name)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_glob(globs[i], name))
			return true;
	return n == 0;
}

static bool
group_fits(const struct conf_match *m, uint32_t group)
{
	for (uint32_t i = 0; i < m->n_groups; i++)
		if (m->groups[i] == group)
			return true;
	return m->n_groups == 0;
}

bool
rules_in_time(const struct conf_match *m, uint32_t weekday, uint32_t minute)
{
	uint32_t day = weekday;
	bool fits = m->from_minute == m->to_minute;

	if (m->from_minute < m->to_minute) {
		fits = minute >= m->from_minute && minute < m->to_minute;
	} else if (m->from_minute > m->to_minute) {
		bool early = minute < m->to_minute;

		fits = early || minute >= m->from_minute;
		day = early ? (day + 6) % 7 : day;
	}
	return fits && (m->days_bits == 0 || m->days_bits >> day & 1);
}

static struct str
key_name(const struct request *req)
{
	const char *name = req->w->region->keys[req->key].name;

	return str_make(name, strnlen(name, KEY_NAME));
}

/* A key without tags has none that fits, whatever a condition says. */
static bool
tags_fit(const struct conf_match *m, const struct request *req)
{
	const char *tags = key_texts(&req->w->region->keys[req->key])->tags;
	struct str rest = str_make(tags, strnlen(tags, KEY_TAGS));

	if (m->n_tags == 0)
		return true;
	while (rest.n > 0)
		if (any_glob(m->n_tags, m->tags, str_cut(&rest, ',')))
			return true;
	return false;
}

static bool
matches(const struct request *req, const struct conf_match *m,
	const struct traits *t)
{
	return (req->header_bits & m->headers_bits) == m->headers_bits &&
	       (t->metadata & m->metadata_bits) == m->metadata_bits &&
	       (req->needs & m->needs_bits) == m->needs_bits &&
	       group_fits(m, req->group) &&
	       any_glob(m->n_keys, m->keys, key_name(req)) &&
	       tags_fit(m, req) &&
	       within(t->prompt, m->prompt_min, m->prompt_max) &&
	       within(t->output, m->output_min, m->output_max) &&
	       rules_in_time(m, t->weekday, t->minute) &&
	       any_glob(m->n_models, m->models, req->ask.model);
}

static struct traits
traits_of(const struct request *req)
{
	const struct ask *ask = &req->ask;
	struct traits t = {.output = ask->has_max
					     ? ask->max_output
					     : req->product->conf->max_output};

	if (req->w->look & LOOK_PROMPT)
		t.prompt = tokens_of_input(ask,
					   req->prices->bytes_per_token_milli);
	if (req->w->look & LOOK_METADATA)
		t.metadata = metadata_bits(req->w->conf, ask->metadata);
	if (req->w->look & LOOK_TIME)
		zone_clock(req->start_wall_ns / NS_PER_MS, &t.weekday,
			   &t.minute);
	return t;
}

enum next
step_rules(struct request *req)
{
	const struct conf *c = req->w->conf;
	struct traits t = {0};

	if (req->w->look & LOOK_NEEDS)
		req->needs = ask_needs(&req->ask);
	if (c->n_routes > 0)
		t = traits_of(req);
	for (uint32_t i = 0; i < c->n_routes && !req->route; i++)
		if (matches(req, &c->routes[i].match, &t))
			req->route = &c->routes[i];
	affinity_choose(req);
	return NEXT_STEP;
}

bool
rules_allow(const struct request *req, const struct lane *l)
{
	const struct conf_route *r = req->route;

	if (!r || r->n_channels == 0)
		return true;
	for (uint32_t i = 0; i < r->n_channels; i++)
		if (r->lanes[i] == l->index)
			return true;
	return false;
}
