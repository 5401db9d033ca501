/*
 * What the worker does otherwise for services: their bodies, their prices,
 * and answers of any type, which are handed on as they come.
 */
#include "worker/pass.h"

#include "adapters/tokens.h"
#include "billing/price.h"
#include "http/multipart.h"
#include "worker/convert.h"
#include "worker/hold.h"

#define TYPE_MAX 256u

/* ---- requests ---- */

static const char *
types_of(const struct service *s)
{
	if (s->json && s->form)
		return "application/json, or multipart/form-data with a "
		       "boundary";
	return s->form ? "multipart/form-data with a boundary"
		       : "application/json";
}

enum next
pass_head(struct request *req, const struct http_head *head)
{
	const struct service *s = req->endpoint->service;
	struct str type = http_get(head, "content-type"), boundary;
	bool form = multipart_boundary(type, &boundary);
	struct str rest = type;

	req->ask.service = s;
	if (type.n > TYPE_MAX || (form ? !s->form : !s->json) ||
	    (!form && str_ieq(str_trim(str_cut(&rest, ';')),
			      STR("multipart/form-data"))))
		return request_fail_detail(req, E_NO_FORM, types_of(s));
	if (!form) /* as everywhere: it is JSON, whatever the client says */
		return NEXT_STEP;
	req->ask.form = true;
	req->ask.type = arena_dup(&req->arena, type);
	return req->ask.type.p ? NEXT_STEP : request_fail(req, E_NO_MEMORY);
}

struct form {
	struct request *req;
	enum err err;
};

static bool
take_part(void *user, const struct multipart_part *part)
{
	struct form *f = user;
	struct ask *ask = &f->req->ask;
	struct str content = str_make(ask->body.p + part->at, part->n);

	if (!part->file)
		f->err = service_field(&f->req->arena, ask, str_of(part->name),
				       content, &f->req->detail);
	else if (service_knows(str_of(part->name), &f->req->detail))
		f->err = E_BAD_FIELD; /* not everybody would read it */
	else
		service_file(ask, content);
	return f->err == E_OK;
}

static enum err
parse_form(struct request *req)
{
	struct form f = {req, E_OK};
	struct multipart m;
	struct str boundary;
	enum err e;

	if (!multipart_boundary(req->ask.type, &boundary))
		return E_BAD_FORM;
	req->ask.choices = 1;
	multipart_init(&m, boundary);
	e = multipart_feed(&m, req->ask.body, take_part, &f);
	if (f.err != E_OK)
		return f.err;
	if (e != E_OK || !multipart_ended(&m))
		return E_BAD_FORM;
	return service_fields_end(&req->ask, &req->detail);
}

enum err
pass_parse(struct request *req)
{
	if (req->ask.form)
		return parse_form(req);
	return service_parse(&req->arena, &req->ask, &req->detail);
}

/* ---- prices ---- */

static bool
by_tokens(const struct book_row *p)
{
	return (p->input.pico | p->cache_read.pico | p->cache_write.pico |
		p->output.pico | p->reasoning.pico) != 0;
}

static bool
by_units(const struct book_row *p)
{
	return (p->per_image.nano | p->per_second.nano |
		p->per_character.pico) != 0;
}

/* What the operator would have to set; NULL: there is a price that fits. */
static const char *
missing_price(const struct request *req)
{
	const struct book_row *p = req->prices;

	if (p->free_of_charge || p->per_request.nano > 0)
		return NULL;
	if (!is_service(req))
		return by_tokens(p) || !by_units(p)
			       ? NULL
			       : "input and output, or per_request";
	switch (req->ask.service->counts) {
	case COUNTS_IMAGES:
		return p->per_image.nano > 0 || p->output.pico > 0
			       ? NULL
			       : "per_image, per_request, or input and output";
	case COUNTS_SOUND:
		return p->per_second.nano > 0 || by_tokens(p)
			       ? NULL
			       : "per_second, per_request, or input and output";
	case COUNTS_CHARACTERS:
		/* tokens are told in events only */
		return p->per_character.pico > 0 ||
				       (req->ask.events && p->output.pico > 0)
			       ? NULL
			       : "per_million_characters or per_request";
	case COUNTS_SEARCHES:
	case COUNTS_NOTHING: break;
	}
	return p->input.pico > 0 ? NULL : "per_request or input";
}

enum err
pass_priced(struct request *req)
{
	req->detail = missing_price(req);
	return req->detail ? E_NOT_PRICED : E_OK;
}

static uint64_t
most_output(const struct request *req)
{
	const struct ask *ask = &req->ask;

	switch (ask->service->counts) {
	case COUNTS_IMAGES:
		return ask->choices * service_image_tokens(ask, true);
	case COUNTS_SOUND:
	case COUNTS_CHARACTERS: return req->product->conf->max_output;
	case COUNTS_SEARCHES:
	case COUNTS_NOTHING: break;
	}
	return 0;
}

bool
pass_worst_price(const struct request *req, const struct book_row *prices,
		 uint32_t ppm, struct money *cost)
{
	uint64_t in =
		service_input(&req->ask, prices->bytes_per_token_milli, true);
	struct token_counts t = {.input = hold_input(in),
				 .output = tokens_clamp(most_output(req)),
				 .units = req->ask.units_most};

	return price_of(prices, &t, ppm, cost);
}

/* ---- what came ---- */

static uint64_t
likely_output(const struct request *req, uint32_t images, uint64_t bytes)
{
	switch (req->ask.service->counts) {
	case COUNTS_IMAGES:
		return images * service_image_tokens(&req->ask, false);
	case COUNTS_SOUND:
		return tokens_of_bytes(bytes,
				       req->prices->bytes_per_token_milli);
	case COUNTS_CHARACTERS:
	case COUNTS_SEARCHES:
	case COUNTS_NOTHING: break;
	}
	return 0;
}

struct token_counts
pass_estimate(const struct request *req, uint64_t bytes)
{
	const struct usage *u = &req->leg->usage;
	bool pictures = req->ask.service->counts == COUNTS_IMAGES;
	uint32_t units = u->units ? u->units : req->ask.units_likely;
	struct token_counts t = {.input = tokens_clamp(req->input_tokens)};

	/* pictures that are not whole are none */
	if (pictures)
		units = req->leg->upstream_done || !req->streaming ? u->units
								   : 0;
	t.units = units;
	t.output = tokens_clamp(likely_output(req, units_count(units), bytes));
	if (req->leg->tokens_said) {
		t.input = tokens_clamp(u->input);
		t.cache_read = tokens_clamp(u->cache_read);
		t.output = tokens_clamp(u->output);
	}
	return t;
}

static bool
unit_priced(const struct request *req)
{
	const struct book_row *p = req->prices;

	switch (req->ask.service->counts) {
	case COUNTS_IMAGES: return p->per_image.nano > 0;
	case COUNTS_SOUND: return p->per_second.nano > 0;
	case COUNTS_CHARACTERS: return p->per_character.pico > 0;
	case COUNTS_SEARCHES:
	case COUNTS_NOTHING: break;
	}
	return false;
}

void
pass_complete(struct request *req)
{
	struct usage *u = &req->leg->usage;

	if (req->ask.service->counts == COUNTS_CHARACTERS)
		u->units = req->ask.units_likely;
	u->present = (req->leg->tokens_said || !by_tokens(req->prices)) &&
		     (u->units || !unit_priced(req));
	/* nothing at all would be "nothing was used", and free */
	if (u->present && !req->leg->tokens_said && !u->units) {
		u->input = req->input_tokens;
		u->units = req->ask.units_likely;
	}
}

/* ---- answers ---- */

static bool
is_type(struct str type, struct str wanted)
{
	return str_ieq(str_trim(str_cut(&type, ';')), wanted);
}

bool
pass_answers(struct request *req, const struct http_head *head)
{
	const struct service *s = req->ask.service;
	struct str type = http_get(head, "content-type");
	bool events = is_type(type, STR("text/event-stream"));
	bool json = type.n == 0 || is_type(type, STR("application/json"));

	if (type.n > TYPE_MAX || (events && !s->events) ||
	    (!events && !json && !s->any))
		return false;
	req->ask.stream = events;
	req->leg->raw = !events && !json;
	req->leg->type = type.n > 0 ? arena_dup(&req->arena, type)
				    : STR("application/json");
	return req->leg->type.p != NULL;
}

void
pass_piece(struct request *req, struct str piece)
{
	struct iovec iov = {(void *)(uintptr_t)piece.p, piece.n};

	if (piece.n == 0 || req->client_gone)
		return;
	stream_first(req);
	req->leg->seen_bytes += piece.n;
	startup_send(req, &iov, 1, true);
	stream_slow_down(req);
}

static void
add_usage(struct request *req, const struct usage *u)
{
	struct usage *sum = &req->leg->usage;

	req->leg->tokens_said |= u->present;
	sum->input += u->input;
	sum->cache_read += u->cache_read;
	sum->output += u->output;
	sum->units = units_of((enum unit)units_kind(u->units | sum->units),
			      (uint64_t)units_count(sum->units) +
				      units_count(u->units));
}

bool
pass_event(struct request *req, const struct sse_event *ev)
{
	const struct wire *wire = wire_of(req);
	struct delta d;

	if (service_event(&req->ask, ev->data, &d) != E_OK) {
		stream_broken(req, E_UP_BAD_RESPONSE);
		return false;
	}
	if (d.error) {
		struct str copy = arena_dup(&req->arena, ev->data);

		wire->parse_error(200, STR_NONE, copy, &req->upstream);
		stream_broken(req, req->upstream.err);
		return false;
	}
	if (d.done && req->leg->kept)
		stream_keep(req, ev);
	if (d.done) {
		req->leg->upstream_done = true;
		return false;
	}
	add_usage(req, &d.usage);
	req->leg->whole |= d.last;
	stream_first(req);
	if (d.last || req->leg->kept) {
		stream_keep(req, ev);
		return !req->leg->usage_data.failed;
	}
	req->leg->seen_bytes += d.content_bytes;
	stream_forward(req, ev, &d);
	return !req->client_gone;
}
