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
/* Strategies and rules of routes; the channels are done. */
NODISCARD bool conf_routes(struct conf *c, struct buf *error);
/* The bits of a list of needs. */
NODISCARD bool conf_needs(uint32_t n, const struct str *names,
			  struct conf_where at, const char *key, uint32_t *bits,
			  struct buf *error);
/* Indexes take the place of the `n` names of groups that the loader left. */
NODISCARD bool conf_group_indexes(const struct conf *c, uint32_t n,
				  const uint32_t **groups, struct conf_where at,
				  const char *key, struct buf *error);
/* Checks a channel's way out and fills in its source. */
NODISCARD bool conf_egress(struct conf *c, struct conf_channel *ch,
			   struct buf *error);
/* Does `host` lead nowhere but to this machine. */
bool conf_is_loopback(struct str host);
/* Puts indexes in the place of names, fills in what defaults to another
 * key, and holds the rules across keys. */
NODISCARD bool conf_rules(struct conf *c, struct buf *error);
