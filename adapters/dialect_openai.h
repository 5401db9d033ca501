#pragma once
/* The parts of OpenAI as a client dialect; private to adapters/. */
#include "adapters/openai.h"
#include "adapters/rope.h"

/* dialect_openai_chat.c: requests, chats and legacy completions. */
enum err openai_read(struct conversation *c, const struct ask *ask,
		     const char **detail);

struct openai_reading {
	struct conversation *c;
	struct arena *a;
	const char **detail;
	unsigned at;		  /* which message */
	unsigned function_calls;  /* legacy ones, which have no id */
	struct str function_call; /* the id made for the last one */
};

/* What an object may hold: members that are read, then harmless ones. */
struct openai_members {
	const char *place; /* "messages[]." */
	const char *const *names;
	unsigned used;
	unsigned n;
};

/* The `used` members into v[]. Others that say anything are dropped if they
 * are harmless, else refused by name. */
void openai_pick(struct openai_reading *r, struct json_value object,
		 const struct openai_members *m, struct json_value *v);
/* A member of the messages[at] is wrong: E_BAD_FIELD. */
enum err openai_bad(struct openai_reading *r, const char *member);
/* A cache_control object. */
void openai_read_cache(struct json_value mark, bool *cached, struct str *ttl);

/* dialect_openai_messages.c */
enum err openai_read_messages(struct openai_reading *r,
			      struct json_value messages);

static inline bool
openai_is(struct json_value v, const char *text)
{
	return v.type == JSON_STRING && json_str_eq(v.raw, str_of(text));
}

static inline bool
openai_absent(struct json_value v)
{
	return v.type == JSON_ABSENT || v.type == JSON_NULL;
}

/* dialect_openai_answer.c: answers, whole and streamed. */
struct openai_choice {
	bool begun;	     /* its role was said */
	bool signs_call;     /* the piece before was of a call */
	uint32_t calls;	     /* begun so far */
	uint32_t blocks;     /* of reasoning_details */
	struct rope thought; /* what the next signature is of */
	uint64_t with_args;  /* a bit per call that has arguments */
	enum finish finish;
};

struct openai_sink {
	struct openai_choice *choices; /* NULL: nothing was written yet */
	uint32_t n;
	uint32_t ids;	 /* made here */
	struct str head; /* of every event, to where the choice begins */
};

void openai_write_answer(struct sink *s, const struct reply *r,
			 const struct usage *u, struct money cost);
void openai_put(struct sink *s, const struct piece *p);
void openai_end(struct sink *s, const struct usage *u, struct money cost);

/* dialect_openai.c: a picture of an answer, as OpenRouter has it; a member
 * with those of a list, if there are any. `mime` and `data` are raw. */
void openai_put_image(struct json_out *o, struct str mime, struct str data);
void openai_put_images(struct json_out *o, const struct part *p);

/* "usage":{...} with OpenAI's overlapping counts; what was only estimated
 * says so. */
void openai_put_usage(struct json_out *o, const struct usage *u,
		      struct money cost);
