/*
 * Rules across keys: names that must be known, prices that must be there,
 * keys that go together.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/zone.h"
#include "conf/rules.h"
#include "conf/schema.h"
#include "conf/value.h"

void
conf_warn(struct conf *c, struct conf_where at, const char *key,
	  const char *text)
{
	struct str line;

	if (c->warnings == NULL)
		c->warnings = arena_zalloc(c->arena,
					   CONF_WARNINGS_MAX * sizeof(line));
	if (c->warnings == NULL || c->n_warnings == CONF_WARNINGS_MAX)
		return;
	line = arena_printf(c->arena, "%s:%u: %s: %s", at.file, at.line, key,
			    text);
	if (line.p)
		c->warnings[c->n_warnings++] = line;
}

bool
conf_fault(struct buf *error, struct conf_where at, const char *key,
	   const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_reset(error);
	buf_printf(error, "%s:%u: %s: %s", at.file, at.line, key, text);
	return false;
}

static struct conf_where
top(const struct conf *c)
{
	return (struct conf_where){c->path.p, 1};
}

static bool
header_safe(struct buf *error, struct conf_where at, const char *key,
	    struct str s)
{
	return value_visible(s) ||
	       conf_fault(error, at, key,
			  "may not hold spaces or control characters");
}

/* A price that was left out. */
static void
fill(struct price *p, struct price usual)
{
	if (p->pico < 0)
		*p = usual;
}

static const size_t tier_classes[] = {
	offsetof(struct conf_tier, input),
	offsetof(struct conf_tier, cache_read),
	offsetof(struct conf_tier, cache_write),
	offsetof(struct conf_tier, output),
	offsetof(struct conf_tier, reasoning),
};

/* Holds are taken at the price of the longest input: it is the dearest. */
static bool
is_cheaper(const struct conf_tier *t, const struct conf_tier *before)
{
	for (unsigned i = 0; i < ARRAY_LEN(tier_classes); i++) {
		struct price a, b;

		memcpy(&a, (const char *)t + tier_classes[i], sizeof(a));
		memcpy(&b, (const char *)before + tier_classes[i], sizeof(b));
		if (a.pico < b.pico)
			return true;
	}
	return false;
}

static bool
check_tiers(struct conf_model *m, struct buf *error)
{
	struct conf_tier before = {
		.input = m->input,
		.cache_read = m->cache_read,
		.cache_write = m->cache_write,
		.output = m->output,
		.reasoning = m->reasoning,
	};

	for (uint32_t i = 0; i < m->n_tiers; i++) {
		struct conf_tier *t = &m->tiers[i];

		fill(&t->cache_read, t->input);
		fill(&t->cache_write, t->input);
		fill(&t->output, m->output);
		fill(&t->reasoning, t->output);
		if (t->above <= before.above)
			return conf_fault(error, t->where, "models.tiers.above",
					  "is not above the tier before");
		if (is_cheaper(t, &before))
			return conf_fault(error, t->where, "models.tiers",
					  "a price is lower than for shorter "
					  "inputs; give cache_read, "
					  "cache_write, output and reasoning "
					  "of the tier, too");
		before = *t;
	}
	return true;
}

static bool
check_effective(struct conf_model *m, struct buf *error)
{
	uint64_t ns;

	if (m->effective_from.n == 0)
		return true;
	if (!time_parse(m->effective_from, &ns))
		return conf_fault(error, m->where, "models.effective_from",
				  "'%s' is no time like "
				  "2026-12-01T00:00:00Z",
				  m->effective_from.p);
	m->effective_ms = ns / NS_PER_MS;
	return true;
}

/* Several prices of one name begin at several times. */
static bool
check_name(const struct conf *c, uint32_t i, struct buf *error)
{
	const struct conf_model *m = &c->models[i];

	for (uint32_t k = 0; k < i; k++)
		if (c->models[k].effective_ms == m->effective_ms &&
		    str_eq(c->models[k].name, m->name))
			return conf_fault(
				error, m->where, "models.name",
				"the model '%s' is there twice%s", m->name.p,
				m->effective_ms ? " from the same time on"
						: "");
	return header_safe(error, m->where, "models.name", m->name);
}

static bool
has_other_price(const struct conf_model *m)
{
	return m->per_request.nano > 0 || m->per_image.nano > 0 ||
	       m->per_second.nano > 0 || m->per_million_characters.pico > 0;
}

static bool
check_model(const struct conf *c, uint32_t i, struct buf *error)
{
	struct conf_model *m = &c->models[i];

	if (!check_effective(m, error) || !check_name(c, i, error))
		return false;
	if (m->input.pico < 0 && !m->free && !has_other_price(m))
		return conf_fault(error, m->where, "models.input",
				  "the model '%s' has no price; give one, or "
				  "say free = true",
				  m->name.p);
	fill(&m->input, (struct price){0});
	fill(&m->output, (struct price){0});
	fill(&m->cache_read, m->input);
	fill(&m->cache_write, m->input);
	fill(&m->reasoning, m->output);
	return check_tiers(m, error);
}

static bool
check_models(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_models; i++)
		if (!check_model(c, i, error))
			return false;
	return true;
}

/* There is always a group named default. */
static bool
add_default_group(struct conf *c, struct buf *error)
{
	struct conf_group *all;

	if (conf_group_find(c, STR("default")))
		return true;
	all = arena_zalloc(c->arena, (c->n_groups + 1) * sizeof(*all));
	if (all == NULL)
		return conf_fault(error, top(c), "groups", "out of memory");
	if (c->n_groups)
		memcpy(all, c->groups, c->n_groups * sizeof(*all));
	all[c->n_groups] = (struct conf_group){
		.name = STR("default"),
		.multiplier_ppm = PPM_ONE,
		.where = top(c),
	};
	c->groups = all;
	c->n_groups++;
	return true;
}

static bool
check_groups(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_groups; i++) {
		const struct conf_group *g = &c->groups[i];

		if (conf_group_find(c, g->name) != g)
			return conf_fault(error, g->where, "groups.name",
					  "the group '%s' is there twice",
					  g->name.p);
		if (!header_safe(error, g->where, "groups.name", g->name))
			return false;
	}
	return true;
}

static bool
check_plans(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_plans; i++) {
		const struct conf_plan *p = &c->plans[i];

		if (conf_plan_find(c, p->name) != p)
			return conf_fault(error, p->where, "plans.name",
					  "the plan '%s' is there twice",
					  p->name.p);
		if (p->group.n > 0 && !conf_group_find(c, p->group))
			return conf_fault(error, p->where, "plans.group",
					  "there is no group '%s'", p->group.p);
	}
	return true;
}

bool
conf_group_indexes(const struct conf *c, uint32_t n, const uint32_t **groups,
		   struct conf_where at, const char *key, struct buf *error)
{
	struct str name;
	uint32_t *index;

	index = arena_zalloc(c->arena, MAX_OF(n, 1u) * sizeof(*index));
	if (index == NULL)
		return conf_fault(error, at, key, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		const struct conf_group *g;

		memcpy(&name, (const char *)*groups + i * sizeof(name),
		       sizeof(name));
		g = conf_group_find(c, name);
		if (g == NULL)
			return conf_fault(error, at, key,
					  "there is no group '%s'", name.p);
		index[i] = (uint32_t)(g - c->groups);
	}
	*groups = index;
	return true;
}

static bool
resolve_models(const struct conf *c, struct conf_channel *ch, struct buf *error)
{
	for (uint32_t i = 0; i < ch->n_models; i++) {
		struct conf_channel_model *cm = &ch->models[i];
		const struct conf_model *m = conf_model_find(c, cm->name);

		if (m == NULL)
			return conf_fault(error, cm->where,
					  "channels.models.name",
					  "the model '%s' is not in the price "
					  "book; add it to models",
					  cm->name.p);
		cm->model = (uint32_t)(m - c->models);
		if (!conf_needs(cm->n_lacks, cm->lacks, cm->where,
				"channels.models.lacks", &cm->lacks_bits,
				error))
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (ch->models[k].model == cm->model)
				return conf_fault(
					error, cm->where,
					"channels.models.name",
					"the model '%s' is there twice",
					cm->name.p);
		if (cm->upstream.n == 0)
			cm->upstream = cm->name;
	}
	return true;
}

static bool
is_demo(const struct conf_channel *ch)
{
	return str_eq(ch->provider, STR("demo"));
}

static bool
demo_keys(const struct conf_channel *ch, struct buf *error)
{
	if (is_demo(ch) ||
	    (ch->first_token_delay_ms == 0 && ch->tokens_per_second == 0 &&
	     ch->fail_every == 0 && ch->limit == 0))
		return true;
	return conf_fault(error, ch->where, "channels.provider",
			  "first_token_delay, tokens_per_second, fail_every "
			  "and limit are for the provider demo only");
}

bool
conf_is_loopback(struct str host)
{
	return str_eq(host, STR("localhost")) || str_eq(host, STR("::1")) ||
	       str_starts(host, STR("127."));
}

static bool
is_plain(struct str s)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-_.:";

	for (size_t i = 0; i < s.n; i++)
		if (!memchr(letters, s.p[i], sizeof(letters) - 1))
			return false;
	return true;
}

/* What becomes part of a path. */
static bool
check_place(const struct conf_channel *ch, struct buf *error)
{
	if (!str_starts(ch->provider, STR("vertex")))
		return true;
	if (ch->project.n == 0 || !is_plain(ch->project))
		return conf_fault(error, ch->where, "channels.project",
				  "a project's id is required here: it stands "
				  "in every path");
	return (is_plain(ch->location) && is_plain(ch->region)) ||
	       conf_fault(error, ch->where, "channels.location",
			  "is no name of a location");
}

static bool
check_upstream(struct conf *c, const struct conf_channel *ch, struct buf *error)
{
	if (is_demo(ch))
		return ch->base_url.text.n == 0 ||
		       conf_fault(error, ch->where, "channels.base_url",
				  "the provider demo is embedded and has no "
				  "address");
	if (ch->base_url.text.n == 0)
		return conf_fault(error, ch->where, "channels.base_url",
				  "is required");
	if (!ch->base_url.tls &&
	    (ch->n_keys || secret_is_set(ch->service_account)) &&
	    !conf_is_loopback(ch->base_url.host))
		conf_warn(c, ch->where, "channels.base_url",
			  "credentials and requests go over the network in "
			  "clear; better: https://");
	return true;
}

static bool
check_probe(const struct conf_channel *ch, struct buf *error)
{
	const struct conf_channel_probe *p = &ch->probe;

	if (p->by != PROBE_BY_REQUEST)
		return (p->path.n == 0 && p->status == 0 &&
			p->method == METHOD_GET) ||
		       conf_fault(error, ch->where, "channels.probe",
				  "path, method and status need "
				  "by = \"request\"");
	if (is_demo(ch))
		return conf_fault(error, ch->where, "channels.probe",
				  "the provider demo is embedded");
	if (p->path.n > 0 && p->path.p[0] != '/')
		return conf_fault(error, ch->where, "channels.probe.path",
				  "must begin with /");
	if (p->status > 0 && p->status < 200)
		return conf_fault(error, ch->where, "channels.probe.status",
				  "must be 0 or 200 to 599");
	return (str_find(p->path, '#') < 0 && value_visible(p->path)) ||
	       conf_fault(error, ch->where, "channels.probe.path",
			  "may not hold spaces, '#' or control "
			  "characters");
}

static bool
check_channel(struct conf *c, uint32_t i, struct buf *error)
{
	struct conf_channel *ch = &c->channels[i];

	for (uint32_t k = 0; k < i; k++)
		if (str_eq(c->channels[k].name, ch->name))
			return conf_fault(error, ch->where, "channels.name",
					  "the channel '%s' is there twice",
					  ch->name.p);
	return header_safe(error, ch->where, "channels.name", ch->name) &&
	       header_safe(error, ch->where, "channels.provider",
			   ch->provider) &&
	       header_safe(error, ch->where, "channels.organization",
			   ch->organization) &&
	       header_safe(error, ch->where, "channels.project", ch->project) &&
	       header_safe(error, ch->where, "channels.api_version",
			   ch->api_version) &&
	       conf_group_indexes(c, ch->n_groups, &ch->groups, ch->where,
				  "channels.groups", error) &&
	       resolve_models(c, ch, error) &&
	       header_safe(error, ch->where, "channels.region", ch->region) &&
	       check_place(ch, error) && demo_keys(ch, error) &&
	       conf_credentials(c, ch, error) && check_upstream(c, ch, error) &&
	       conf_egress(c, ch, error) && check_probe(ch, error);
}

static bool
check_channels(struct conf *c, struct buf *error)
{
	uint32_t demos = 0;

	for (uint32_t i = 0; i < c->n_channels; i++) {
		if (!check_channel(c, i, error))
			return false;
		demos += is_demo(&c->channels[i]);
	}
	if (demos && demos < c->n_channels)
		conf_warn(c, top(c), "channels",
			  "demo channels stand beside real ones");
	return true;
}

static bool
offered(const struct conf *c, uint32_t model)
{
	for (uint32_t i = 0; i < c->n_channels; i++)
		for (uint32_t k = 0; k < c->channels[i].n_models; k++)
			if (c->channels[i].models[k].model == model)
				return true;
	return false;
}

static void
warn_of_idle_models(struct conf *c)
{
	for (uint32_t i = 0; i < c->n_models; i++)
		if (!offered(c, i) &&
		    conf_model_find(c, c->models[i].name) == &c->models[i])
			conf_warn(c, c->models[i].where, c->models[i].name.p,
				  "no channel offers this model");
}

static bool
same_address(const struct conf_address *a, const struct conf_address *b)
{
	return a->sa_len == b->sa_len && memcmp(&a->sa, &b->sa, a->sa_len) == 0;
}

static bool
check_listen(const struct conf *c, uint32_t i, struct buf *error)
{
	const struct conf_listen *l = &c->listen[i];

	if ((l->certificate.n != 0) != secret_is_set(l->private_key))
		return conf_fault(error, l->where, "listen.certificate",
				  "certificate and private_key go together");
	for (uint32_t k = 0; k < i; k++)
		if (same_address(&c->listen[k].address, &l->address))
			return conf_fault(error, l->where, "listen.address",
					  "%s is there twice",
					  l->address.text.p);
	if (c->admin.address.text.n &&
	    same_address(&c->admin.address, &l->address))
		return conf_fault(error, l->where, "listen.address",
				  "%s is the address of the admin listener",
				  l->address.text.p);
	return true;
}

static bool
check_listeners(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_listen; i++)
		if (!check_listen(c, i, error))
			return false;
	if (c->admin.address.text.n == 0)
		return true;
	if (!secret_is_set(c->admin.token) && !c->admin.address.unix_path.n)
		return conf_fault(error, top(c), "admin.token",
				  "an admin address needs a token");
	return value_visible(secret_bytes(c->admin.token)) ||
	       conf_fault(error, top(c), "admin.token",
			  "holds bytes that no header can carry");
}

static bool
check_cors(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->cors.n_origins; i++) {
		struct str o = c->cors.origins[i];

		if (str_eq(o, STR("*")))
			continue;
		if (str_search(o, STR("://")) < 1 || !value_visible(o) ||
		    str_ends(o, STR("/")))
			return conf_fault(error, top(c), "cors.origins",
					  "'%s' must be \"*\" or like "
					  "\"https://app.example.com\"",
					  o.p);
	}
	for (uint32_t i = 0; i < c->cors.n_headers; i++)
		if (!value_visible(c->cors.headers[i]) ||
		    str_find(c->cors.headers[i], ',') >= 0)
			return conf_fault(error, top(c), "cors.headers",
					  "'%s' is no header name",
					  c->cors.headers[i].p);
	return true;
}

static bool
check_zone(const struct conf *c, struct buf *error)
{
	return zone_known(c->time_zone) ||
	       conf_fault(error, top(c), "time_zone",
			  "the system knows no time zone '%.*s' "
			  "(try UTC or Europe/Berlin; the package "
			  "tzdata has the names)",
			  STR_ARG(c->time_zone));
}

static bool
check_webhook(const struct conf *c, struct buf *error)
{
	const struct conf_webhook *w = &c->webhook;

	return w->url.text.n == 0 || secret_is_set(w->secret) ||
	       conf_fault(error, top(c), "webhook.secret",
			  "is required with webhook.url: it signs the events");
}

/* As a URL is written, without the scheme: an address, perhaps a port. */
static bool
check_resolver(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_resolver; i++) {
		CLEANUP(buf_free) struct buf text = BUF_INIT, why = BUF_INIT;
		struct in6_addr any;
		struct conf_url url;

		buf_add_cstr(&text, "http://");
		buf_add_str(&text, c->resolver[i]);
		if (text.failed ||
		    !conf_url_parse(buf_str(&text), &url, c->arena, &why) ||
		    url.path.n > 0 ||
		    (inet_pton(AF_INET, url.host.p, &any) != 1 &&
		     inet_pton(AF_INET6, url.host.p, &any) != 1))
			return conf_fault(error, top(c), "resolver",
					  "'%s' is no address like "
					  "\"192.0.2.53\" or \"[::1]:5353\"",
					  c->resolver[i].p);
	}
	return true;
}

static bool
check_limits(const struct conf *c, struct buf *error)
{
	const struct conf_limits *l = &c->limits;

	if (l->body_size > l->worker_memory)
		return conf_fault(error, top(c), "limits.body_size",
				  "is larger than limits.worker_memory");
	if (l->event_size > l->response_size)
		return conf_fault(error, top(c), "limits.event_size",
				  "is larger than limits.response_size");
	return true;
}

bool
conf_rules(struct conf *c, struct buf *error)
{
	if (!check_models(c, error) || !add_default_group(c, error) ||
	    !check_groups(c, error) || !check_plans(c, error) ||
	    !check_channels(c, error) || !check_listeners(c, error) ||
	    !check_cors(c, error) || !check_limits(c, error) ||
	    !check_zone(c, error) || !check_resolver(c, error) ||
	    !check_webhook(c, error) || !conf_routes(c, error))
		return false;
	warn_of_idle_models(c);
	return true;
}
