/*
 * Routes: names become indexes, words become bits, so that a worker compares
 * numbers. What can match nothing is an error where it is written.
 */
#include <string.h>

#include "base/arena.h"
#include "conf/rules.h"
#include "conf/schema.h"
#include "conf/value.h"

#define DAY_MINUTES 1440u

/* The bit of a word's place; 0: it is none of them. */
static uint32_t
bit_of(const char *const *words, struct str word)
{
	for (uint32_t i = 0; words[i]; i++)
		if (str_eq(str_of(words[i]), word))
			return 1u << i;
	return 0;
}

static const char *const needs[] = {"tools", "vision", "json_schema",
				    "audio", "file",   NULL};

const char *
conf_need_name(enum conf_need need)
{
	return needs[__builtin_ctz(need)];
}

bool
conf_needs(uint32_t n, const struct str *names, struct conf_where at,
	   const char *key, uint32_t *bits, struct buf *error)
{
	*bits = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t bit = bit_of(needs, names[i]);

		if (bit == 0)
			return conf_fault(error, at, key,
					  "'%s' is none of tools, vision, "
					  "json_schema, audio, file",
					  names[i].p);
		*bits |= bit;
	}
	return true;
}

static bool
check_days(struct conf_match *m, struct conf_where at, struct buf *error)
{
	static const char *const days[] = {"sun", "mon", "tue", "wed",
					   "thu", "fri", "sat", NULL};

	for (uint32_t i = 0; i < m->n_days; i++) {
		uint32_t bit = bit_of(days, m->days[i]);

		if (bit == 0)
			return conf_fault(error, at, "routes.match.days",
					  "'%s' is none of mon, tue, wed, thu, "
					  "fri, sat, sun",
					  m->days[i].p);
		m->days_bits |= bit;
	}
	return true;
}

/* "08:30"; 24:00 is the end of the day. */
static bool
read_minute(struct str s, uint32_t *minute)
{
	uint64_t h, m;

	if (s.n != 5 || s.p[2] != ':' || !str_to_u64(str_make(s.p, 2), &h) ||
	    !str_to_u64(str_from(s, 3), &m) || m > 59 || h * 60 + m > 1440)
		return false;
	*minute = (uint32_t)(h * 60 + m);
	return true;
}

static bool
check_hours(struct conf_match *m, struct conf_where at, struct buf *error)
{
	struct str rest = m->hours;
	struct str from = str_cut(&rest, '-');

	if (m->hours.n == 0)
		return true;
	if (!read_minute(str_trim(from), &m->from_minute) ||
	    !read_minute(str_trim(rest), &m->to_minute) ||
	    m->from_minute == DAY_MINUTES || m->to_minute == 0)
		return conf_fault(error, at, "routes.match.hours",
				  "'%s' is no span like 08:00-18:00",
				  m->hours.p);
	return m->from_minute != m->to_minute ||
	       conf_fault(error, at, "routes.match.hours", "'%s' is no time",
			  m->hours.p);
}

static bool
check_headers(struct conf *c, struct conf_match *m, struct buf *error)
{
	for (uint32_t i = 0; i < m->n_headers; i++) {
		struct conf_header *h = &m->headers[i];

		if (!value_visible(h->name) || str_find(h->name, ':') >= 0)
			return conf_fault(
				error, h->where, "routes.match.headers.name",
				"'%s' is no name of a header", h->name.p);
		if (c->n_route_headers == CONF_HEADERS_MAX)
			return conf_fault(error, h->where,
					  "routes.match.headers",
					  "there are more than %u over all "
					  "routes",
					  CONF_HEADERS_MAX);
		m->headers_bits |= (uint64_t)1 << c->n_route_headers;
		c->route_headers[c->n_route_headers++] = h;
	}
	return true;
}

static bool
check_metadata(struct conf *c, struct conf_match *m, struct buf *error)
{
	for (uint32_t i = 0; i < m->n_metadata; i++) {
		if (c->n_route_metadata == CONF_METADATA_MAX)
			return conf_fault(error, m->metadata[i].where,
					  "routes.match.metadata",
					  "there are more than %u over all "
					  "routes",
					  CONF_METADATA_MAX);
		m->metadata_bits |= (uint64_t)1 << c->n_route_metadata;
		c->route_metadata[c->n_route_metadata++] = &m->metadata[i];
	}
	return true;
}

static bool
check_span(uint32_t least, uint32_t most, struct conf_where at, const char *key,
	   struct buf *error)
{
	return most == 0 || least <= most ||
	       conf_fault(error, at, key, "is more than the most, %u", most);
}

/* A name without a star that nobody sells is a slip of the pen. */
static bool
check_models(const struct conf *c, const struct conf_route *r,
	     struct buf *error)
{
	const struct conf_match *m = &r->match;

	for (uint32_t i = 0; i < m->n_models; i++)
		if (str_find(m->models[i], '*') < 0 &&
		    !conf_model_find(c, m->models[i]))
			return conf_fault(error, r->where,
					  "routes.match.models",
					  "the model '%s' is not in the price "
					  "book",
					  m->models[i].p);
	return true;
}

static bool
check_match(struct conf *c, struct conf_route *r, struct buf *error)
{
	struct conf_match *m = &r->match;

	return check_models(c, r, error) &&
	       conf_group_indexes(c, m->n_groups, &m->groups, r->where,
				  "routes.match.groups", error) &&
	       conf_needs(m->n_needs, m->needs, r->where, "routes.match.needs",
			  &m->needs_bits, error) &&
	       check_headers(c, m, error) && check_metadata(c, m, error) &&
	       check_days(m, r->where, error) &&
	       check_hours(m, r->where, error) &&
	       check_span(m->prompt_min, m->prompt_max, r->where,
			  "routes.match.prompt_min", error) &&
	       check_span(m->output_min, m->output_max, r->where,
			  "routes.match.output_min", error);
}

static bool
check_lanes(const struct conf *c, struct conf_route *r, struct buf *error)
{
	uint32_t *lanes = arena_zalloc(c->arena, MAX_OF(r->n_channels, 1u) *
							 sizeof(*lanes));

	if (lanes == NULL)
		return conf_fault(error, r->where, "routes", "out of memory");
	for (uint32_t i = 0; i < r->n_channels; i++) {
		const struct conf_channel *ch =
			conf_channel_find(c, r->channels[i]);

		if (ch == NULL)
			return conf_fault(error, r->where, "routes.channels",
					  "there is no channel '%s'",
					  r->channels[i].p);
		lanes[i] = (uint32_t)(ch - c->channels);
		for (uint32_t k = 0; k < i; k++)
			if (lanes[k] == lanes[i])
				return conf_fault(
					error, r->where, "routes.channels",
					"the channel '%s' is there twice",
					r->channels[i].p);
	}
	r->lanes = lanes;
	return true;
}

/* The words are those of routing.strategy. */
static bool
check_strategy(const struct conf *c, struct conf_route *r, struct buf *error)
{
	const struct key *routing = section_key(&conf_top, STR("routing"));
	const char *const *words =
		section_key(routing->section, STR("strategy"))->words;
	uint32_t bit = bit_of(words, r->strategy);

	r->chosen = c->routing.strategy;
	if (r->strategy.n == 0)
		return true;
	if (bit == 0)
		return conf_fault(error, r->where, "routes.strategy",
				  "there is no strategy '%s'; see "
				  "routing.strategy",
				  r->strategy.p);
	r->chosen = (enum conf_strategy)__builtin_ctz(bit);
	return true;
}

static bool
check_fallbacks(const struct conf *c, const struct conf_route *r,
		struct buf *error)
{
	for (uint32_t i = 0; i < r->n_fallbacks; i++)
		if (!conf_model_find(c, r->fallbacks[i]))
			return conf_fault(error, r->where, "routes.fallbacks",
					  "the model '%s' is not in the price "
					  "book",
					  r->fallbacks[i].p);
	return true;
}

static bool
check_race(const struct conf *c, const struct conf_route *r, struct buf *error)
{
	return r->race.n == 0 || conf_model_find(c, r->race) ||
	       conf_fault(error, r->where, "routes.race",
			  "the model '%s' is not in the price book", r->race.p);
}

static bool
check_affinity(struct conf *c, uint32_t n, const struct str *words,
	       struct conf_where at, struct conf_affine *out, struct buf *error)
{
	static const char *const known[] = {"session", "user", "prefix", NULL};

	out->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t bit = bit_of(known, words[i]);

		if (bit == 0)
			return conf_fault(error, at, "affinity",
					  "'%s' is none of session, user, "
					  "prefix",
					  words[i].p);
		out->by[out->n++] = (enum conf_affinity)__builtin_ctz(bit);
		c->has_sessions |= words[i].p[0] == 's';
	}
	return true;
}

static bool
route_affinity(struct conf *c, struct conf_route *r, struct buf *error)
{
	r->affine = c->affine;
	if (r->n_affinity == 0)
		return true;
	if (r->n_affinity == 1 && str_eq(r->affinity[0], STR("off"))) {
		r->affine.n = 0;
		return true;
	}
	return check_affinity(c, r->n_affinity, r->affinity, r->where,
			      &r->affine, error);
}

static bool
check_name(const struct conf *c, uint32_t i, struct buf *error)
{
	const struct conf_route *r = &c->routes[i];

	for (uint32_t k = 0; k < i; k++)
		if (str_eq(c->routes[k].name, r->name))
			return conf_fault(error, r->where, "routes.name",
					  "the route '%s' is there twice",
					  r->name.p);
	return value_visible(r->name) ||
	       conf_fault(error, r->where, "routes.name",
			  "may not hold spaces or control characters");
}

/* No condition is set. */
static bool
matches_all(const struct conf_match *m)
{
	const struct key *routes = section_key(&conf_top, STR("routes"));
	const struct section *s =
		section_key(routes->section, STR("match"))->section;

	for (unsigned i = 0; i < s->n; i++) {
		const struct key *key = &s->keys[i];
		CLEANUP(buf_free) struct buf text = BUF_INIT;

		if (key_shape(key) != SHAPE_SINGLE) {
			if (schema_key_count(key, m) > 0)
				return false;
			continue;
		}
		value_text(key, key_field_const(key, m), &text);
		if (!str_eq(buf_str(&text), str_of(key->usual)))
			return false;
	}
	return true;
}

bool
conf_routes(struct conf *c, struct buf *error)
{
	struct conf_where top = {c->path.p, 1};
	bool caught = false;

	if (!check_affinity(c, c->routing.n_affinity, c->routing.affinity, top,
			    &c->affine, error))
		return false;
	for (uint32_t i = 0; i < c->n_routes; i++) {
		struct conf_route *r = &c->routes[i];

		if (!check_name(c, i, error) || !check_match(c, r, error) ||
		    !check_lanes(c, r, error) || !check_strategy(c, r, error) ||
		    !check_fallbacks(c, r, error) || !check_race(c, r, error) ||
		    !route_affinity(c, r, error))
			return false;
		if (caught)
			conf_warn(c, r->where, "routes",
				  "no request comes so far: a route before "
				  "this one matches all");
		caught |= matches_all(&r->match);
	}
	return true;
}
