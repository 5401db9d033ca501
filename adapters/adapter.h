#pragma once
/*
 * Providers and dialects as tables of pure functions over bytes: no sockets,
 * no shared memory, no configuration. struct adapter is the upstream side,
 * struct dialect the client side. A new provider is a row in registry.c, and
 * a file if it does not speak a dialect that is here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/chat.h"
#include "adapters/talk.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/errors.h"
#include "base/money.h"
#include "base/str.h"

/* How the credential is presented. */
enum auth {
	AUTH_USUAL, /* a bearer, unless somebody else says */
	AUTH_BEARER,
	AUTH_X_API_KEY, /* x-api-key */
	AUTH_GOOG_KEY,	/* x-goog-api-key */
	AUTH_API_KEY,	/* api-key */
	AUTH_AWS,	/* sigv4.h */
	AUTH_GOOGLE,	/* OAuth token of a service account, as a bearer */
	AUTH_HMAC,	/* hmac.h */
};

/* Where a request goes; made by the caller from its configuration. */
struct target {
	struct str host;       /* for the Host field, with a port if unusual */
	struct str path;       /* prefix, "" or "/x" */
	struct str model;      /* the upstream's name for it */
	struct str model_json; /* the same as a JSON string */
	struct str credential; /* not copied: pieces point to it */
	struct str organization; /* "" = none */
	struct str project;	 /* "" = none */
	/* How the credential is presented; AUTH_USUAL: as the adapter says. */
	enum auth auth;
	struct str secret;  /* AUTH_AWS: of the key id in `credential`; "" =
			       that is an API key, for a bearer */
	struct str session; /* AUTH_AWS: session token, "" = none */
	struct str signature_field; /* AUTH_HMAC: lower case */
	uint64_t now_s;		    /* wall clock, for signatures */
	struct str region;	    /* Bedrock, Vertex: location */
	struct str api_version;	    /* Azure */
	uint32_t max_output;	    /* of the model table; 0 = not known */
	unsigned quirks;
	const struct wire
		*wire; /* what is spoken; NULL = the adapter's first */
};

enum framing {
	FRAMING_SSE,
	FRAMING_LINES, /* one JSON text a line (Ollama) */
	FRAMING_AWS,   /* application/vnd.amazon.eventstream */
};

/*
 * An upstream dialect. Where the client speaks it as well (`native`), its
 * own bytes are sent, patched, and the upstream's events passed on as they
 * came; else requests are written and answers read by way of talk.h.
 */
struct wire {
	const char *name;
	const struct dialect *native; /* NULL: no client speaks it */
	enum framing framing;
	/* The path below base_url with its query, for this kind of request;
	 * {NULL, 0}: there is no such endpoint (or out of memory). */
	struct str (*path)(struct arena *a, const struct ask *ask,
			   const struct target *t);
	/* Header fields of the wire, complete lines; {NULL, 0}: out of
	 * memory. NULL: none. */
	struct str (*fields)(struct arena *a, const struct ask *ask,
			     const struct target *t);
	/* native: the client's body, patched; pieces live as long as arena,
	 * ask body and target. */
	enum err (*patch)(struct arena *a, const struct ask *ask,
			  const struct target *t, struct pieces *body);
	/* not native: the body into w->out, without the last brace's checks:
	 * the caller calls writing_end(). */
	enum err (*write)(struct writing *w);
	/* For the bill, and natively. E_UP_BAD_RESPONSE: not an answer of this
	 * dialect. E_UP_SERVER_ERROR: an error inside a 200. */
	enum err (*parse_answer)(const struct ask *ask, struct str body,
				 struct answer *out);
	/* An event: for the bill into *out, for conversion by source_put(). */
	enum err (*parse_event)(struct source *s, struct str event,
				struct str data, struct delta *out);
	/* Never fails: what cannot be read is judged by the status alone.
	 * Status 200 = an error inside a stream. `type`: of the error where
	 * the wire has it in a header (x-amzn-errortype), in a stream the
	 * event's name, else "". */
	void (*parse_error)(int status, struct str type, struct str body,
			    struct upstream_error *out);
	/* A whole answer for conversion; parse_answer() was content. */
	enum err (*read_answer)(struct arena *a, const struct ask *ask,
				struct str body, struct reply *out);
	/* Of source.own. 0: natively no event needs to know of another one, and
	 * source.part is not used. */
	size_t source_bytes;
	/* Its list of models, with its version: what can be asked for free;
	 * NULL = there is none. */
	const char *list;
	/* A field of an answer's head with the count of its input, for answers
	 * that do not say it themselves; NULL = there is none. */
	const char *count_field;
};

enum adapter_flag {
	ADAPTER_EMBEDDED = 1, /* answered inside the worker (demo) */
};

/* Where a provider of an OpenAI-compatible wire differs. */
enum quirk {
	QUIRK_MAX_TOKENS = 1,	/* max_tokens, not max_completion_tokens */
	QUIRK_RANDOM_SEED = 2,	/* random_seed, not seed */
	QUIRK_CHOICE_ANY = 4,	/* tool_choice "any", not "required" */
	QUIRK_USAGE_ALWAYS = 8, /* no stream_options: usage comes anyway */
	QUIRK_SYSTEM = 16,	/* no role developer: system */
	/* of requests that are converted */
	QUIRK_COMMON = 32,	   /* the common fields only, no others */
	QUIRK_TOP_K = 64,	   /* takes top_k */
	QUIRK_SHORT_IDS = 128,	   /* call ids are nine letters and digits */
	QUIRK_CACHE_MARKS = 256,   /* takes cache_control */
	QUIRK_THOUGHTS = 512,	   /* takes reasoning_content back */
	QUIRK_DETAILS = 1024,	   /* takes reasoning_details back */
	QUIRK_SIGNATURES = 2048,   /* takes extra_content.google back */
	QUIRK_THINK_SWITCH = 4096, /* enable_thinking, thinking_budget */
	QUIRK_NO_CALL_IDS = 8192,  /* Gemini before 3: calls have none */
	/* Anthropic: the model stands in the path, the version in the body */
	QUIRK_VERTEX = 16384,
	QUIRK_OUTPUT_DIMENSION = 32768, /* of vectors; not dimensions */
};

/* A provider. */
struct adapter {
	const char *name; /* provider = "..." */
	const struct wire *wire;
	/* Others it speaks with the same credential, for clients whose own
	 * dialect they are. */
	const struct wire *also[2];
	/* What vectors are asked for in: no events, nothing streamed; NULL =
	 * it makes none. */
	const struct wire *vectors;
	unsigned flags;
	unsigned quirks;
	enum auth auth;
	/* Of paths of `wire` and `vectors`, where this provider's differ; NULL =
	 * none do. */
	struct str (*path)(struct arena *a, const struct ask *ask,
			   const struct target *t);
};

/* What an error says to a client. Upstream words win where given. */
struct complaint {
	enum err err;
	int status;	    /* 0 = the row's */
	const char *detail; /* for the %s of the row's text; NULL = "" */
	const char *param;  /* field name; NULL = null */
	const struct upstream_error *upstream; /* NULL = ours */
	uint64_t sequence;		       /* source.sequence */
	struct str request_id;		       /* ours; "" = not known */
	uint64_t retry_after_s;		       /* 0 = not said */
};

/* Our own words for it, the detail in its place, as a JSON string. */
void complaint_put_text(struct json_out *o, const struct complaint *c);

struct dialect {
	const char *name;
	struct str stream_end; /* the last event of a good stream */
	/* The same where natively the upstream's is passed on: for one that
	 * ended after all its last events but this. */
	struct str native_end;
	/* Reads the fields the gateway acts on. On an error *detail names the
	 * field or the place (lives in the arena or for ever). */
	enum err (*parse)(struct arena *a, struct ask *ask,
			  const char **detail);
	/* The whole request for another upstream dialect; parse() was
	 * content. What has no meaning there is dropped or refused by name;
	 * E_BAD_FIELD: *detail names it. */
	enum err (*read)(struct conversation *c, const struct ask *ask,
			 const char **detail);
	/* The answer to ASK_COUNT, where we have to estimate; NULL: the
	 * dialect has no such question. */
	void (*write_count)(struct buf *out, uint64_t tokens);
	/* The error body. */
	void (*error)(struct buf *out, const struct complaint *c);
	/* The same as an event of a running stream, framing included; `s` is
	 * NULL where the stream is the upstream's own. */
	void (*error_event)(struct buf *out, const struct complaint *c,
			    struct sink *s);
	/* A converted answer into s->out: whole; or piece by piece, ended by
	 * end(), where finish reasons and the usage stand. */
	void (*write_answer)(struct sink *s, const struct reply *r,
			     const struct usage *u, struct money cost);
	void (*put)(struct sink *s, const struct piece *p);
	void (*end)(struct sink *s, const struct usage *u, struct money cost);
	size_t sink_bytes; /* of sink.own */
	/* How the types begin of the media that its answers have a place for;
	 * NULL: none. Others do not reach put() and write_answer(). */
	const char *media;
	/* A finish reason of its own says that the model gave up; where there
	 * is none, FINISH_ERROR does not reach put() and write_answer(): the
	 * attempt has failed. */
	bool tells_failure;
	/* A whole native answer with usage.cost put in (or the upstream's
	 * replaced); `estimate` stands for a missing usage. NULL: the dialect
	 * has no place for it. */
	enum err (*put_cost)(struct arena *a, const struct answer *answer,
			     struct str body, const struct usage *estimate,
			     struct money cost, struct pieces *out);
	/* OpenAI's chunks: the same for the data of a usage event (answer.content_bytes and
	 * model are not used); n == 0: an event is made of `estimate`, which
	 * then holds what is known. */
	enum err (*usage_event)(struct arena *a, const struct ask *ask,
				const struct answer *answer, struct str data,
				const struct usage *estimate, struct money cost,
				struct pieces *out);
};

const struct adapter *adapter_find(struct str provider);
const struct adapter *adapter_at(unsigned i); /* NULL beyond the end */
/* What is spoken for a client of this dialect: its own, if at all. Of a
 * provider that makes no vectors, what refuses to be asked for them. */
const struct wire *adapter_wire(const struct adapter *ad,
				const struct dialect *dialect,
				enum ask_kind kind);

/* The head and body of a request: fields, credential. */
enum err adapter_request(struct arena *a, const struct adapter *ad,
			 const struct ask *ask, const struct target *t,
			 const struct pieces *body, struct pieces *out);

/* Does the provider have a list of models that costs nothing. */
bool adapter_has_list(const struct adapter *ad);
/* What a health check asks: a GET or HEAD without a body, `path` from the host
 * on; "" = the list of models, E_NO_SERVICE where there is none. */
struct check {
	struct str method;
	struct str path;
};
enum err adapter_probe(struct arena *a, const struct adapter *ad,
		       const struct target *t, const struct check *check,
		       struct pieces *out);

extern const struct dialect dialect_openai;
extern const struct dialect dialect_responses;
extern const struct wire wire_openai;
extern const struct wire wire_responses;
extern const struct dialect dialect_anthropic;
extern const struct wire wire_anthropic;
extern const struct dialect dialect_gemini;
extern const struct wire wire_gemini;
extern const struct wire wire_bedrock;
extern const struct wire wire_ollama;
extern const struct wire wire_cohere;

/* Vectors: a wire of its own for each, its answers never streamed. */
extern const struct wire wire_openai_vectors;
extern const struct wire wire_gemini_vectors;
extern const struct wire wire_vertex_vectors;
extern const struct wire wire_ollama_vectors;
extern const struct wire wire_cohere_vectors;
extern const struct wire wire_bedrock_vectors;
extern const struct wire wire_no_vectors;
