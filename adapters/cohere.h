#pragma once
/* Cohere, between its units: cohere.c reads chats, cohere_write.c writes
 * them, cohere_vectors.c makes vectors, for Bedrock as well. */
#include "adapters/names.h"
#include "adapters/wires.h"

/* Of tools. */
extern const struct name_rule cohere_names;

enum err cohere_write(struct writing *w);

/* The members of a request but for the model and the size; `cut`: the word
 * for to cut a text's end off. */
void cohere_put_vectors(struct writing *w, const char *cut);
enum err cohere_parse_vectors(const struct ask *ask, struct str body,
			      struct answer *out);
enum err cohere_read_vectors(struct arena *a, const struct ask *ask,
			     struct str body, struct reply *out);
