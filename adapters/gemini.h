#pragma once
/*
 * What the files of Gemini's words share: names in two spellings, schemas in
 * two forms, its models' generations. Private to adapters/.
 */
#include "adapters/adapter.h"
#include "adapters/names.h"

/* A raw name (with quotes) is this one, as "topK" or as "top_k". */
bool gemini_name(struct str raw, const char *name);
/* The members of an object, in either spelling; null counts as absent. *odd:
 * the first name that is not wanted, without quotes; n == 0 = none. False:
 * *odd is there twice. */
NODISCARD bool gemini_pick(struct json_value object, const char *const *names,
			   unsigned n, struct json_value *values,
			   struct str *odd);
/* A schema in the words of OpenAPI as JSON Schema; what is JSON Schema
 * already stays the same. JSON_ABSENT when out of memory. */
struct json_value gemini_schema(struct arena *a, struct json_value schema);
/* 3 of "gemini-3-pro"; 0: not said. */
unsigned gemini_generation(struct str model);
/* Text as the inside of a JSON string; {NULL, 0} when out of memory. */
struct str gemini_quoted(struct arena *a, struct str text);

/* Google's lists may be a single element without brackets. */
struct gemini_list {
	struct json_iter it;
	struct json_value one; /* JSON_ABSENT: none, or taken */
	bool array;
};
struct gemini_list gemini_list(struct json_value v);
bool gemini_list_next(struct gemini_list *l, struct json_value *v);

/* Thinking that only its provider can read has no place in Gemini's words but
 * a signature: this and the data. Base64 like all signatures. */
#define GEMINI_REDACTED "redactedthinking"
/* What stands for a signature where another model made the call. */
#define GEMINI_NO_SIGNATURE "skip_thought_signature_validator"

/* gemini_read.c, gemini_write.c, gemini_put.c */
enum err gemini_read(struct conversation *c, const struct ask *ask,
		     const char **detail);
enum err gemini_write(struct writing *w);
void gemini_write_answer(struct sink *s, const struct reply *r,
			 const struct usage *u, struct money cost);
void gemini_put(struct sink *s, const struct piece *p);
void gemini_end(struct sink *s, const struct usage *u, struct money cost);
#define GEMINI_SINK_BYTES sizeof(void *)

extern const struct name_rule gemini_names; /* of functions */
/* "generateContent" and so on: the end of a client's path. */
struct str gemini_verb(struct str path);
/* ":generateContent" and so on: the end of a path; {NULL, 0}: none. */
struct str gemini_action(const struct ask *ask);
struct str gemini_path(struct arena *a, const struct ask *ask,
		       const struct target *t);
void gemini_parse_error(int status, struct str type, struct str body,
			struct upstream_error *out);

/* vertex.c */
/* Vectors of this model are asked for one text at a time. */
bool vertex_embeds(struct str model);
struct str vertex_gemini_path(struct arena *a, const struct ask *ask,
			      const struct target *t);
struct str vertex_anthropic_path(struct arena *a, const struct ask *ask,
				 const struct target *t);
