#pragma once
/* What only the master can do: reload, stop. */
#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"
#include "base/attrs.h"
#include "base/errors.h"

struct admin_control;

/* `text`: why not. */
typedef void control_fn(void *user, bool ok, const char *text);

struct admin_control *admin_control_new(int fd);
void admin_control_free(struct admin_control *c);
NODISCARD enum err admin_control_ask(struct admin_control *c,
				     enum control_kind kind, control_fn *done,
				     void *user);
void admin_control_read(struct admin_control *c);
void admin_control_tick(struct admin_control *c, uint64_t now_ns);
