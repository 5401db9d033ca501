#pragma once
/*
 * What only a restart can change, as text: so that a running server can be
 * compared with a file, also across an exec.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct conf;

/* A line "key TAB value" for each such key; elements of lists by their
 * place. Holds no secret. */
void conf_fixed(const struct conf *c, struct buf *out);
/* False with "file: key: reason" when `next` changes a key that `running`,
 * written by conf_fixed(), has too: another version may know others. */
NODISCARD bool conf_fixed_same(struct str running, const struct conf *next,
			       struct buf *error);
/* The same of two valid configurations. */
NODISCARD bool conf_reload_allowed(const struct conf *running,
				   const struct conf *next, struct buf *error);
