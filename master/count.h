#pragma once
/* The master's own figures in the shared metrics. */
#include <stdbool.h>

#include "master/master.h"

void count_restart(struct master *m);
void count_upgrade(struct master *m, bool well);
void count_reload(struct master *m, bool well);
