#pragma once
/* What the admin process asks of the master: reload, upgrade, stop. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "master/master.h"

/* Reads and obeys what has arrived. */
void control_read(struct master *m);
/* Tells the admin process how everything it asked up to `id` went; id 0:
 * nobody asked. `text`: why not. */
void control_answer(struct master *m, uint64_t id, bool ok, struct str text);
/* Only how `id` went: an upgrade. */
void control_answer_one(struct master *m, uint64_t id, bool ok,
			struct str text);
