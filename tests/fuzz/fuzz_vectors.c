/*
 * Vectors of every dialect: any body is refused or read, and what is written
 * of it for any provider is JSON; any answer is digested, and what a client
 * gets of it is JSON.
 */
#include <stdlib.h>

#include "adapters/vectors.h"
#include "tests/fuzz/replay.h"

static const struct {
	const struct wire *wire;
	struct str model;
} wires[] = {
	{&wire_openai_vectors, {"m", 1}},
	{&wire_gemini_vectors, {"gemini-embedding-001", 20}},
	{&wire_vertex_vectors, {"gemini-embedding-001", 20}},
	{&wire_vertex_vectors, {"gemini-embedding-2", 18}},
	{&wire_ollama_vectors, {"m", 1}},
	{&wire_cohere_vectors, {"m", 1}},
	{&wire_bedrock_vectors, {"amazon.titan-embed-text-v2:0", 28}},
	{&wire_bedrock_vectors, {"cohere.embed-v4:0", 17}},
	{&wire_no_vectors, {"m", 1}},
};

static void
must_be_json(struct str text)
{
	struct json_value root;
	struct json_error fault;

	if (!json_valid(text, &root, &fault))
		abort();
}

static void
write_request(struct arena *a, struct ask *ask, struct conversation *talk,
	      unsigned i)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target t = {.path = {"", 0}, .model = wires[i].model};
	struct json_out out;
	struct writing w = {
		.talk = talk, .ask = ask, .target = &t, .a = a, .out = &out};

	t.model_json = arena_printf(a, "\"%.*s\"", STR_ARG(t.model));
	json_out_init(&out, &body);
	if (wires[i].wire->write(&w) != E_OK)
		abort();
	must_be_json(buf_str(&body));
	if (writing_end(&w) == E_FIELD_LOST && !w.refused)
		abort();
}

static void
patch_request(struct arena *a, const struct ask *ask, const struct wire *wire)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target t = {.model = {"up", 2}, .model_json = {"\"up\"", 4}};
	struct pieces p;

	if (wire->patch(a, ask, &t, &p) != E_OK)
		abort();
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&body, p.iov[i].iov_base, p.iov[i].iov_len);
	must_be_json(buf_str(&body));
}

static void
read_request(struct arena *a, struct str body, const struct dialect *dialect,
	     const char *path)
{
	struct ask ask = {
		.kind = ASK_EMBEDDINGS, .body = body, .path = str_of(path)};
	struct conversation talk;
	const char *detail = NULL;

	if (dialect->parse(a, &ask, &detail) != E_OK)
		return;
	patch_request(a, &ask,
		      dialect == &dialect_openai ? &wire_openai_vectors
						 : &wire_gemini_vectors);
	conversation_init(&talk, a);
	if (dialect->read(&talk, &ask, &detail) != E_OK) {
		if (!detail)
			abort();
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(wires); i++)
		write_request(a, &ask, &talk, i);
}

static void
read_answer(struct arena *a, struct str body, const struct wire *wire,
	    bool base64)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct conversation talk;
	struct ask ask = {.kind = ASK_EMBEDDINGS,
			  .path = STR("m:batchEmbedContents"),
			  .talk = &talk};
	struct sink s = {.a = a, .ask = &ask, .model = STR("m"), .out = &out};
	struct upstream_error error;
	struct answer answer;
	struct reply reply;

	wire->parse_error(500, STR(""), body, &error);
	if (wire->parse_answer(&ask, body, &answer) != E_OK)
		return;
	conversation_init(&talk, a);
	if (!vectors_new(&talk, "input") || !vectors_add(&talk))
		abort();
	talk.vectors->base64 = base64;
	reply_init(&reply);
	if (wire->read_answer(a, &ask, body, &reply) != E_OK)
		return;
	dialect_openai.write_answer(&s, &reply, &answer.usage, money_nano(0));
	must_be_json(buf_str(&out));
	buf_reset(&out);
	dialect_gemini.write_answer(&s, &reply, &answer.usage, money_nano(0));
	must_be_json(buf_str(&out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct arena a;

	arena_init(&a);
	read_request(&a, in, &dialect_openai, "");
	read_request(&a, in, &dialect_gemini, "m:embedContent");
	read_request(&a, in, &dialect_gemini, "m:batchEmbedContents");
	for (unsigned i = 0; i < ARRAY_LEN(wires); i++) {
		read_answer(&a, in, wires[i].wire, false);
		read_answer(&a, in, wires[i].wire, true);
	}
	arena_free(&a);
	return 0;
}
