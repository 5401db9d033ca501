#pragma once
/* The master's own figures in the shared metrics. */
#include <stdbool.h>

#include "master/master.h"

void count_restart(struct master *m);
/* Shown by the status as well. `why`: "" if it went well. */
void count_upgrade(struct master *m, bool well, struct str why);
void count_reload(struct master *m, bool well);
