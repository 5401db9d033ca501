#pragma once
/* What the files of OpenAI's Responses API share: responses.c and
 * responses_write.c speak it to upstreams, dialect_responses*.c to clients. */
#include "adapters/adapter.h"
#include "adapters/names.h"
#include "adapters/rope.h"

extern const struct name_rule responses_tool_names;
/* A thought's id and its seal as one signature: both must come back; STR_NONE
 * of a thought without one (or out of memory). */
struct str responses_signature(struct arena *a, const struct json_value *item);

/* wire.write */
enum err responses_write(struct writing *w);
/* The path at Azure. */
struct str responses_azure_path(struct arena *a, const struct ask *ask,
				const struct target *t);

/* Of an output item. */
enum {
	ITEM_TYPE,
	ITEM_CONTENT,
	ITEM_SUMMARY,
	ITEM_NAME,
	ITEM_ARGUMENTS,
	ITEM_CALL_ID,
	ITEM_ENCRYPTED,
	ITEM_ID,
	ITEM_MEMBERS
};
extern const char *const responses_item[ITEM_MEMBERS];
/* Is it this string. */
bool responses_is(struct json_value v, const char *type);
void responses_usage(struct json_value usage, struct usage *u,
		     struct json_value *cost);
/* {"content":[...]} as chat completions have it; ABSENT of an empty list. */
struct json_value responses_chat_logprobs(struct arena *a,
					  struct json_value list);
/* FINISH_NONE: it came to its end. */
enum finish responses_finish(struct json_value status,
			     struct json_value details);

/* A function call of the stream, by the place of its item. */
struct responses_call {
	struct responses_call *next;
	uint64_t place;
	uint32_t number;
	bool args; /* some came */
};

struct responses_reading {
	struct responses_call *calls; /* the newest first */
	uint32_t n_calls;
	uint64_t spoken; /* the part whose text came last, see place_of() */
	bool begun;
};

/* wire.parse_event */
enum err responses_parse_event(struct source *s, struct str event,
			       struct str data, struct delta *out);

/* dialect.read */
enum err responses_read(struct conversation *c, const struct ask *ask,
			const char **detail);

/* What stands in encrypted_content beside the signatures of thoughts: texts
 * only their providers can read, and signatures of calls ("call:ID:SIG"). */
#define RESPONSES_REDACTED "redacted:"
#define RESPONSES_CALL	   "call:"

/* ---- answers: dialect_responses_answer.c ---- */

enum output_kind { OUTPUT_MESSAGE, OUTPUT_CALL, OUTPUT_REASONING };

/* A part of a message. */
struct output_part {
	struct output_part *next;
	uint32_t index;
	bool refusal;
	struct rope text;
	struct rope logprobs; /* elements of the array */
};

struct output {
	enum output_kind kind;
	struct output *next;
	uint32_t index;
	bool closed, cut;
	uint32_t call;
	struct str call_id, name;	  /* raw */
	struct output_part *parts, *last; /* of a message */
	uint32_t n_parts;
	struct rope text;      /* arguments, or the summary */
	struct rope signature; /* encrypted_content */
};

/* The answer so far; sink.own. */
struct answering {
	struct output *outputs, *last;
	struct output *open; /* none before it is open */
	uint32_t n;
	uint64_t sequence;
	enum finish finish;
	bool begun;
};

/* New ones at the end; NULL when out of memory (or `out` is NULL). */
struct output *answering_output(struct sink *s, struct answering *w,
				enum output_kind kind);
struct output_part *output_part(struct sink *s, struct output *out,
				bool refusal);
/* A reasoning item of nothing but its seal. */
struct output *answering_seal(struct sink *s, struct answering *w,
			      const char *prefix, struct str seal);
struct output *answering_seal_call(struct sink *s, struct answering *w,
				   const struct output *call);
/* All items are as complete as they will be. */
void answering_close(struct answering *w);
/* Elements of OpenAI's {"content":[...]}, without the brackets. */
struct str responses_logprobs(struct json_value chunk);

void put_output_id(struct json_out *o, const char *name, const struct sink *s,
		   const struct output *out);
/* `empty`: as it begins. */
void put_output_part(struct json_out *o, const struct output_part *p,
		     bool empty);
void put_output(struct json_out *o, const struct sink *s,
		const struct output *out, bool empty);
void put_summary_part(struct json_out *o, const struct rope *text);
void put_logprobs(struct json_out *o, const struct rope *r);
void responses_put_usage(struct json_out *o, const struct usage *u,
			 struct money cost);
/* The response object; `u` NULL: it is in progress. */
void put_response(struct json_out *o, const struct sink *s,
		  const struct answering *w, const struct usage *u,
		  struct money cost);
const char *responses_end_event(enum finish finish);

/* ---- dialect.put, end, error_event: dialect_responses_stream.c ---- */

void responses_put(struct sink *s, const struct piece *p);
void responses_end(struct sink *s, const struct usage *u, struct money cost);
void responses_error_event(struct buf *out, const struct complaint *c,
			   struct sink *s);
