#pragma once
/*
 * What upstream dialects that no client speaks have in common: small pieces
 * of JSON, errors in the usual shapes. Called by adapters; pure.
 */
#include "adapters/adapter.h"

/* ---- writing ---- */

/* A member of an object: a word of ours. */
void wire_put_word(struct json_out *o, const char *name, const char *word);
/* A call's arguments are an object, or the request is refused. */
void wire_put_args(struct writing *w, const char *name, const struct part *p);
/* A tool's; without a type it is an object's. */
void wire_put_schema(struct json_out *o, const char *name,
		     struct json_value schema);
bool wire_is_text(const struct part *p);
/* The texts of a list in one string, a line end between them. */
void wire_put_joined(struct json_out *o, const char *name, const struct part *p,
		     enum part_kind kind);
/* What is in a picture that does not say; "" = who knows. */
struct str wire_image_mime(const struct part *p);
/* Printable, and no end of a JSON string: base64, types of media. */
bool wire_is_plain(struct str s);
/* Refuses a picture, sound or file by the client's name of it. */
void wire_refuse_media(struct writing *w, const struct part *p);
/* Is there more in a turn than texts of results. */
bool wire_has_words(const struct part *p);
/* Without tools, what is said of them says nothing: takes that. True: there
 * are tools that may be called. */
bool wire_has_tools(struct writing *w);
/* One answer is what everybody gives: takes TRAIT_COUNT if it is one. */
void wire_take_count(struct writing *w);

/* ---- reading ---- */

/* A count that is there; absent and null leave *out alone. False: it is no
 * count, or so large that a sum might not fit. */
bool wire_count(struct json_value v, uint64_t *out);
/* Bytes of a string as it stands in the JSON. */
uint64_t wire_bytes(struct json_value v);
/* Text as the inside of a JSON string; {NULL, 0}: out of memory. */
struct str wire_quoted(struct arena *a, struct str text);
/* A part of an answer, if there is any text. False: out of memory. */
NODISCARD bool wire_add_text(struct arena *a, struct reply_choice *c,
			     enum part_kind kind, struct json_value text);
enum err wire_judge(int status);
/* {"message"}, {"error": "text"}, {"error": {"message", "type", "code"}}. */
void wire_read_error(int status, struct str body, struct upstream_error *out);

/* Calls in a stream, by the number of the block they come in. */
#define WIRE_CALLS 64u
struct wire_calls {
	uint32_t n;
	uint64_t block[WIRE_CALLS];
};

/* Begins one; its number. */
uint32_t wire_call_begin(struct wire_calls *c, uint64_t block);
/* Its number; the last one's where the block is not known. False: there are
 * none at all. */
bool wire_call_find(const struct wire_calls *c, uint64_t block, uint32_t *call);
