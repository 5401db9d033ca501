#pragma once
/*
 * Texts to make vectors of, and the vectors, in nobody's words: what passes
 * between a client dialect and an upstream that differ, for ASK_EMBEDDINGS.
 * The request hangs on a struct conversation and what else it says are
 * traits of it, so that what is lost is named as for a chat. Called by
 * adapters; pure.
 */
#include "adapters/adapter.h"

/* The most inputs of one request, which is what OpenAI takes. */
#define VECTORS_MAX 2048u

/* What the vectors are for. */
enum vector_task {
	TASK_UNSAID,
	TASK_QUERY,
	TASK_DOCUMENT,
	TASK_SIMILARITY,
	TASK_CLASSIFICATION,
	TASK_CLUSTERING,
	TASK_QUESTION,
	TASK_FACT,
	TASK_CODE,
};

struct vector_input {
	struct vector_input *next;
	struct str text;	  /* raw */
	struct json_value tokens; /* instead: an array of numbers */
	/* TRAIT_TASK, TRAIT_TITLE */
	enum vector_task task;
	struct str title; /* raw; n == 0 = none */
};

struct vectors {
	struct vector_input *inputs, **tail;
	unsigned n;
	const char *field; /* the client's name of an input */
	bool base64;	   /* how the client wants them; else numbers */
	/* What else the client asks for: TRAIT_DIMENSIONS is a number.
	 * TRAIT_TRUNCATE: cut texts that are too long, or refuse them. */
	bool truncate;
};

/* c->vectors; `field` must live for ever. NULL when out of memory. */
struct vectors *vectors_new(struct conversation *c, const char *field);
/* A zeroed input at the end; NULL when out of memory. */
struct vector_input *vectors_add(struct conversation *c);

/* Gemini's word for it; NULL of TASK_UNSAID. */
const char *vector_task_word(enum vector_task task);
/* Gemini's words, and those of others. False: no such task. */
NODISCARD bool vector_task_of(struct str raw, enum vector_task *task);

/* ---- writing a request ---- */

/* The task of all inputs; where they differ, the field is refused. Takes
 * TRAIT_TASK if it can be said in `words`, by task, NULL = it cannot. The
 * word, or NULL. */
const char *vectors_task(struct writing *w, const char *const *words);
/* An array of the texts; tokens are refused. */
void vectors_put_texts(struct writing *w, const char *name);
/* A text that stands alone, "" if there are several or tokens: refused. */
struct str vectors_only_text(struct writing *w);
/* Takes TRAIT_TRUNCATE and writes it as this member, if it was said. */
void vectors_put_truncate(struct writing *w, const char *name);

/* ---- reading an answer ---- */

/* Room for as many as were asked for (ask->talk); of an answer nobody asked
 * for, `n`. */
NODISCARD enum err reply_vectors(struct arena *a, const struct ask *ask,
				 unsigned n, struct reply *r);
/* The vector of input `at`: an array of numbers, or base64 of little-endian
 * floats as a string; kept the way the client wants it. E_UP_BAD_RESPONSE: it
 * is neither, empty, none was asked for, or it came before. */
NODISCARD enum err reply_vector(struct arena *a, const struct ask *ask,
				struct reply *r, uint64_t at,
				struct json_value v);
/* E_UP_BAD_RESPONSE: one is missing. */
NODISCARD enum err reply_vectors_end(const struct reply *r);
/* All of a list of vectors, in order. */
NODISCARD enum err reply_vectors_of(struct arena *a, const struct ask *ask,
				    struct reply *r, struct json_value list);
/* Usage of input only; a value that is no count: it is missing. */
struct usage vectors_usage(struct json_value input);

/* ---- dialects and wires ---- */

enum err openai_read_vectors(struct conversation *c, const struct ask *ask,
			     const char **detail);
void openai_put_vectors(struct sink *s, const struct reply *r,
			const struct usage *u, struct money cost);
enum err gemini_parse_vectors(struct arena *a, struct ask *ask,
			      const char **detail);
enum err gemini_read_vectors(struct conversation *c, const struct ask *ask,
			     const char **detail);
void gemini_put_vectors(struct sink *s, const struct reply *r,
			const struct usage *u);
