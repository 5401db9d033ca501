#pragma once
/* What the loader does after the single keys are read. Internal to conf/. */
#include "base/attrs.h"
#include "base/buf.h"
#include "conf/conf.h"

/* Warnings beyond are dropped: nobody reads so many. */
#define CONF_WARNINGS_MAX 64

/* Notes a warning "file:line: key: text". */
void conf_warn(struct conf *c, struct conf_where at, const char *key,
	       const char *text);
/* False, with "file:line: key: reason" in `error`. */
bool conf_fault(struct buf *error, struct conf_where at, const char *key,
		const char *fmt, ...) PRINTF(4, 5);

/* Makes paths absolute and reads the certificates; `folder` is that of the
 * main file, empty when there is none. */
NODISCARD bool conf_paths(struct conf *c, struct str folder, struct buf *error);
/* Completes a channel's credentials and checks them. */
NODISCARD bool conf_credentials(struct conf *c, struct conf_channel *ch,
				struct buf *error);
/* Puts indexes in the place of names, fills in what defaults to another
 * key, and holds the rules across keys. */
NODISCARD bool conf_rules(struct conf *c, struct buf *error);
