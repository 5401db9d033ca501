#pragma once
/* The way of a request for vectors from a client's dialect to an upstream's,
 * and the way of its answer back. */
#include "adapters/vectors.h"
#include "tests/tap.h"

static struct arena arena;

struct way {
	const struct dialect *dialect;
	const struct wire *wire;
	const char *path;  /* of the client, from its `*` on; NULL = none */
	const char *model; /* the upstream's name */
	unsigned quirks;
	bool strict;
	/* filled */
	struct ask ask;
	struct conversation talk;
	struct target target;
	struct str dropped;
};

static inline const char *
text_of(const char *what, struct str text)
{
	struct str all = arena_printf(&arena, "%s%.*s", what, STR_ARG(text));

	return all.p ? all.p : "no memory";
}

/* The upstream's body, or what went wrong. */
static inline const char *
wrote(struct way *way, const char *body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const char *detail = "";
	struct json_value root;
	struct json_out json;
	struct writing w;
	enum err e;

	way->ask = (struct ask){.kind = ASK_EMBEDDINGS,
				.body = str_of(body),
				.path = str_of(way->path ? way->path : "")};
	e = way->dialect->parse(&arena, &way->ask, &detail);
	if (e != E_OK)
		return text_of("not parsed: ", str_of(detail));
	conversation_init(&way->talk, &arena);
	way->talk.strict = way->strict;
	e = way->dialect->read(&way->talk, &way->ask, &detail);
	if (e != E_OK)
		return text_of("not read: ", str_of(detail));
	way->ask.talk = &way->talk;
	way->target = (struct target){
		.path = STR(""),
		.model = str_of(way->model),
		.model_json = arena_printf(&arena, "\"%s\"", way->model),
		.quirks = way->quirks};
	json_out_init(&json, &out);
	w = (struct writing){.talk = &way->talk,
			     .ask = &way->ask,
			     .target = &way->target,
			     .a = &arena,
			     .out = &json};
	e = way->wire->write(&w);
	CHECK_INT(e, E_OK);
	CHECK(json_valid(buf_str(&out), &root, NULL));
	e = writing_end(&w);
	way->dropped = w.dropped;
	if (e != E_OK)
		return text_of("refused: ", str_of(w.refused));
	return text_of("", buf_str(&out));
}

/* What the client gets for the last request. */
static inline const char *
answered(struct way *way, const char *body, struct usage *usage)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_value root;
	struct answer answer;
	struct reply reply;
	struct sink s = {.a = &arena,
			 .ask = &way->ask,
			 .id = STR("req_1"),
			 .model = way->ask.model,
			 .out = &out};

	*usage = (struct usage){0};
	if (way->wire->parse_answer(&way->ask, str_of(body), &answer) != E_OK)
		return "no answer";
	*usage = answer.usage;
	reply_init(&reply);
	if (way->wire->read_answer(&arena, &way->ask, str_of(body), &reply) !=
	    E_OK)
		return "no good answer";
	way->dialect->write_answer(&s, &reply, usage, money_nano(1500));
	CHECK(json_valid(buf_str(&out), &root, NULL));
	return text_of("", buf_str(&out));
}

static inline const char *
path_of(const struct way *way, const char *base)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS,
			  .path = str_of(way->path ? way->path : "")};
	struct target t = {.path = str_of(base),
			   .project = STR("p"),
			   .region = STR("eu"),
			   .model = str_of(way->model)};

	return text_of("", way->wire->path(&arena, &ask, &t));
}
