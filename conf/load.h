#pragma once
/*
 * The door to libconfig. Used by the master (start, reload, -t, -T) and by
 * nobody else; the other processes inherit the loaded struct.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct conf;

/* $TOLLGATE_CONFIG, else /etc/tollgate/tollgate.conf. */
const char *conf_default_path(void);
/* Where the ledger and the sockets live when only a prefix is known (tools):
 * PREFIX/state and PREFIX/run, or the system's without one. */
#define CONF_PREFIX_STATE "state"
#define CONF_PREFIX_RUN	  "run"

/* Reads `path` and the files of conf.d beside it, checks everything, fetches
 * the secrets. `prefix` may be NULL. False with one line
 * "file:line: key: reason" in `error`. */
NODISCARD bool conf_load(const char *path, const char *prefix,
			 const struct conf **out, struct buf *error);
/* The same for a text in memory; nothing is included but by absolute path.
 * `name` stands for the file in errors. */
NODISCARD bool conf_load_text(struct str text, const char *name,
			      const char *prefix, const struct conf **out,
			      struct buf *error);
/* Wipes the secrets; NULL is fine. */
void conf_free(const struct conf *c);
