#pragma once
/*
 * A conversation in nobody's words: what passes between a client dialect and
 * an upstream dialect that differ. Requests and whole answers are lists of
 * parts, streamed answers a sequence of pieces. (Where both sides speak the
 * same dialect nothing of this is made: spans are copied and patched.)
 *
 * `raw` strings are the inside of a JSON string as it came: still escaped,
 * without quotes, to be put between quotes again. An escape may split a
 * surrogate pair over two pieces; nothing decodes them. All memory is the
 * arena's or the body's the request came in.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/chat.h"
#include "base/arena.h"
#include "base/attrs.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/money.h"
#include "base/str.h"

enum speaker { SPEAKER_SYSTEM, SPEAKER_USER, SPEAKER_ASSISTANT };

enum part_kind {
	PART_TEXT,     /* text */
	PART_REFUSAL,  /* text; of the assistant */
	PART_THINKING, /* text, signature ("" = none) */
	PART_REDACTED, /* data: thinking that only the provider can read */
	PART_IMAGE,    /* media */
	PART_AUDIO,    /* media */
	PART_FILE,     /* media, name */
	PART_CALL,     /* id, name, args; of the assistant */
	PART_RESULT,   /* id, name, content, failed; of the user */
};

struct part {
	enum part_kind kind;
	struct part *next;
	struct str text;      /* raw */
	struct str signature; /* raw; also of a call (Gemini) */
	struct str data;      /* base64 as plain text, or n == 0 */
	struct str url;	      /* raw; instead of data */
	struct str mime;      /* plain: "image/png"; n == 0: not known */
	struct str detail;    /* raw; of an image: "low", "high", "auto" */
	struct str id;	      /* raw; n == 0, in answers only: none */
	struct str name;      /* raw */
	/* A JSON object as text. n == 0 of a call: `text` holds, raw, what the
	 * model wrote in its place and is no object. */
	struct str args;
	struct part *content; /* text, images, files; NULL = empty */
	bool failed;	      /* the tool reported an error */
	bool cached;	      /* a cache mark stands behind this part */
	struct str cache_ttl; /* raw: "5m", "1h"; n == 0 = the default */
};

struct turn {
	enum speaker speaker;
	struct turn *next;
	struct part *parts, **tail;
};

struct tool {
	struct tool *next;
	struct str name;	  /* raw */
	struct str description;	  /* raw; n == 0 = none */
	struct json_value schema; /* object, or JSON_ABSENT */
	struct json_value strict; /* true, false, absent */
	bool cached;
	struct str cache_ttl;
};

/* What a client may ask for beside its words. A dialect that takes one says
 * so with trait_take(); those nobody took are lost, see writing_end(). */
enum trait_kind {
#define TRAIT(name, harmless) TRAIT_##name,
#include "adapters/traits.def"
#undef TRAIT
	TRAITS
};

struct vectors;

struct trait {
	const char *field; /* the client's name of it; NULL = not said */
	struct json_value value;
};

enum choice_mode { CHOICE_AUTO, CHOICE_REQUIRED, CHOICE_NONE, CHOICE_NAMED };
enum format_kind { FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };
enum think_mode { THINK_UNSAID, THINK_OFF, THINK_ON, THINK_AUTO };

struct conversation {
	struct arena *a;
	bool strict;	    /* the key allows no loss at all */
	struct turn *turns; /* system turns where they stood */
	struct turn **tail;
	struct turn *last;
	struct tool *tools;
	struct tool **tools_tail;
	struct trait traits[TRAITS];
	/* TRAIT_TOOL_CHOICE */
	enum choice_mode choice;
	struct str choice_name; /* raw */
	/* TRAIT_FORMAT */
	enum format_kind format;
	struct str format_name; /* raw; n == 0 = none */
	struct json_value format_schema;
	struct json_value format_strict;
	/* TRAIT_THINKING: of effort and budget one or none is given */
	enum think_mode think;
	struct str effort; /* raw: "minimal", "low", ... */
	uint64_t budget;   /* tokens; 0 = not said */
	bool show_thoughts;
	/* TRAIT_MAX: ask.max_output */
	struct vectors *vectors; /* ASK_EMBEDDINGS: vectors.h; else NULL */
	/* Names of fields the reader left out, harmless ones; ", " between. */
	struct str dropped;
	/* Members the reader's dialect repeats in its answers, as JSON text of
	 * one line in the arena; "" = none. */
	struct str echo;
	/* The reader met what has no meaning outside its dialect; NULL = fine.
	 * The client's name of the field. */
	const char *refused;
};

void conversation_init(struct conversation *c, struct arena *a);
/* The last turn if it is of this role, else a new one at the end; NULL when
 * out of memory. */
struct turn *conversation_turn(struct conversation *c, enum speaker speaker);
/* A zeroed part at a turn's end; NULL when out of memory or turn is NULL. */
struct part *turn_add(struct conversation *c, struct turn *turn,
		      enum part_kind kind);
struct part *part_new(struct arena *a, enum part_kind kind);
struct tool *conversation_tool(struct conversation *c);
/* `field` must live for ever. An absent or null value says nothing. */
void conversation_say(struct conversation *c, enum trait_kind kind,
		      const char *field, struct json_value value);
/* Left out and harmless / without meaning elsewhere. Names need not live. */
void conversation_drop(struct conversation *c, struct str field);
void conversation_refuse(struct conversation *c, const char *field);
/* Once all turns are read: calls without an id get one, results without a
 * name that of the last call of their id, if there is one. False when out of
 * memory. */
NODISCARD bool conversation_link(struct conversation *c);

/* A call's arguments from the inside of a JSON string (quotes around it): p->args, or p->text if
 * they are no object. False when out of memory. */
NODISCARD bool part_args(struct arena *a, struct part *p, struct str raw);
/* data: URL of a raw string into mime and data; false: it is none. */
NODISCARD bool part_data_url(struct arena *a, struct part *p, struct str raw);
/* The inside of a JSON string; "" of anything else. */
static inline struct str
json_inside(struct json_value v)
{
	return v.type == JSON_STRING ? str_make(v.raw.p + 1, v.raw.n - 2)
				     : STR("");
}
/* A raw string decoded: as it is when it holds no escape, else in the arena;
 * as it is, too, when it splits a surrogate pair. */
struct str json_plain(struct arena *a, struct str raw);
/* Raw text between quotes, a comma before if need be. */
void json_put_inside(struct json_out *o, struct str raw);
/* The end of a usage object of ours: what was only estimated says so, and the
 * cost. */
void usage_end(struct json_out *o, const struct usage *u, struct money cost);
/* A member of an object, its value raw text. */
void json_put_member(struct json_out *o, const char *name, struct str raw);
/* An object that begins with its type; to be closed. */
void json_open_type(struct json_out *o, const char *type);

/* ---- writing a request for an upstream ---- */

struct target;

struct writing {
	const struct conversation *talk;
	const struct ask *ask;
	const struct target *target;
	struct arena *a;
	struct json_out *out; /* the body */
	uint64_t taken;	      /* a bit per trait */
	struct str dropped;   /* names for x-tollgate-dropped, arena */
	const char *refused;  /* the field that cannot be expressed */
	unsigned documents;   /* written so far, where each has a name */
};

/* NULL: not said. Takes it. */
const struct trait *trait_take(struct writing *w, enum trait_kind kind);
/* Takes it and writes it under this name, if it was said. */
void trait_put(struct writing *w, enum trait_kind kind, const char *name);
/* Something of the words that is lost, harmless / not. */
void writing_drop(struct writing *w, const char *field);
void writing_refuse(struct writing *w, const char *field);
/* After the body: names what nobody took. E_FIELD_LOST: *w->refused. */
NODISCARD enum err writing_end(struct writing *w);

/* ---- whole answers ---- */

enum finish {
	FINISH_NONE, /* not said (yet) */
	FINISH_STOP,
	FINISH_SEQUENCE, /* one of the client's stop sequences */
	FINISH_LENGTH,
	FINISH_CALLS,
	FINISH_FILTER,
	FINISH_PAUSE,
	FINISH_ERROR, /* the model failed: malformed call */
};

struct reply_choice {
	struct reply_choice *next;
	uint32_t index;
	struct part *parts, **tail;
	enum finish finish;
	struct str sequence;	    /* raw: the stop sequence met */
	struct json_value logprobs; /* as OpenAI: {"content":[...]} */
};

struct reply {
	struct str id;	  /* raw; n == 0 = none */
	struct str model; /* raw */
	struct reply_choice *choices, **tail;
	/* ASK_EMBEDDINGS: arrays of numbers or base64, as the client wants
	 * them, one an input. */
	struct json_value *vectors;
	unsigned n_vectors;
};

void reply_init(struct reply *r);
/* The model gave up in one of its choices. */
bool reply_failed(const struct reply *r);
struct reply_choice *reply_choice(struct arena *a, struct reply *r);
/* A part at a choice's end; NULL when out of memory or c is NULL. */
struct part *reply_part(struct arena *a, struct reply_choice *c,
			enum part_kind kind);

/* ---- streamed answers ---- */

enum piece_kind {
	PIECE_BEGIN,	 /* id, model; once, first */
	PIECE_TEXT,	 /* text */
	PIECE_REFUSAL,	 /* text */
	PIECE_THINKING,	 /* text */
	PIECE_SIGNATURE, /* text: of the thinking before (or of call `call`) */
	PIECE_REDACTED,	 /* text: the base64 data */
	PIECE_CALL,	 /* call, id, name: a call begins */
	PIECE_ARGS,	 /* call, text: more of its arguments' JSON text */
	PIECE_LOGPROBS,	 /* json: as OpenAI's chunk has it */
	PIECE_FINISH,	 /* finish, sequence */
	PIECE_MEDIA,	 /* mime, text: base64; whole */
};

struct piece {
	enum piece_kind kind;
	uint32_t choice;
	uint32_t call;	 /* counted from 0 within the choice */
	struct str text; /* raw */
	struct str id;	 /* raw; n == 0 = the upstream has none */
	struct str name; /* raw */
	struct str model;
	struct str mime; /* raw */
	struct str json;
	enum finish finish;
	struct str sequence;
};

typedef void piece_fn(void *user, const struct piece *p);

/* What an upstream's stream is read with; zeroed at the attempt's begin. */
struct source {
	struct arena *a;
	const struct ask *ask;
	struct usage part; /* what was said of the usage so far */
	uint64_t sequence; /* the next event's, where the wire numbers them */
	void *own;	   /* wire.source_bytes, zeroed */
	piece_fn *put;	   /* NULL: nobody wants pieces */
	void *user;
};

static inline void
source_put(const struct source *s, const struct piece *p)
{
	if (s->put)
		s->put(s->user, p);
}

/* The inside of a string, if there is any. */
void source_put_text(const struct source *s, enum piece_kind kind,
		     struct json_value text);

/* What a client's stream is written with. */
struct sink {
	struct arena *a;
	const struct ask *ask;
	struct str id;	     /* ours, plain: the request id's text */
	uint64_t created_s;  /* wall clock */
	struct str model;    /* plain: the name the client asked for */
	uint64_t input_hint; /* estimate of the input, for early events */
	struct buf *out;     /* framing included */
	void *own;	     /* dialect.sink_bytes, zeroed */
};
