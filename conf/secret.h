#pragma once
/*
 * struct secret: a credential. Its bytes lie in a vault: pages of their own
 * that no core dump holds, locked where the limit allows, wiped when the
 * configuration is freed. No log field takes a struct secret; only who must
 * present the credential calls secret_bytes().
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct secret_cell;
struct secret_vault;

/* Zeroed = not set. Valid as long as its vault. */
struct secret {
	const struct secret_cell *cell;
};

static inline bool
secret_is_set(struct secret s)
{
	return s.cell != NULL;
}

/* The credential; {NULL, 0} when not set. Never log it, never copy it into
 * memory that outlives the request. */
struct str secret_bytes(struct secret s);
/* Equal, in constant time for equal lengths. */
bool secret_eq(struct secret a, struct secret b);
/* What the operator wrote, "env:NAME"; stars for a literal. */
struct str secret_reference(struct secret s);

/* NULL when out of memory. */
struct secret_vault *secret_vault_new(void);
/* Wipes and unmaps; NULL is fine. */
void secret_vault_free(struct secret_vault *v);

struct secret_request {
	struct str reference; /* "env:NAME", "file:PATH", ... or a literal */
	struct str directory; /* file: relative paths start here */
	size_t min;	      /* bytes */
	size_t max;
};

/* Fetches what `r` names: env:NAME, file:PATH, ini:PATH#SECTION.KEY,
 * cred:NAME (in $CREDENTIALS_DIRECTORY), exec:COMMAND (no shell, 5 s at
 * most). One trailing line end is cut. False with a reason for people, which never
 * holds the secret. `literal` tells that the file itself held it. */
NODISCARD bool secret_fetch(struct secret_vault *v,
			    const struct secret_request *r, struct secret *out,
			    bool *literal, struct buf *reason);

/* A number that changes with any of the files that secrets were read from.
 * `changed`: the reference, in the vault, of one that is not as it was when
 * it was read; "" = all are, or cannot be looked at. */
uint64_t secret_vault_look(const struct secret_vault *v, struct str *changed);
/* Runs the commands that secrets came from once more, 5 s each at most: does
 * one say something else? One that fails says nothing. */
bool secret_vault_renewed(const struct secret_vault *v);
