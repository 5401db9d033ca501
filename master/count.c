/* The master's own figures in the shared metrics. */
#include "master/count.h"

#include "base/clock.h"
#include "shm/metrics.h"

void
count_restart(struct master *m)
{
	metric_add(metrics_of_master(&m->region), M_WORKER_RESTARTS, 1);
}

void
count_upgrade(struct master *m, bool well)
{
	metric_add(metrics_of_master(&m->region),
		   M_UPGRADES + (unsigned)(well ? RELOAD_OK : RELOAD_REFUSED),
		   1);
}

void
count_reload(struct master *m, bool well)
{
	struct metrics_block *b = metrics_of_master(&m->region);

	metric_add(b,
		   M_CONFIG_RELOADS +
			   (unsigned)(well ? RELOAD_OK : RELOAD_REFUSED),
		   1);
	metric_set(b, M_CONFIG_LAST_OK, well);
	if (well)
		metric_set(b, M_CONFIG_LAST_TIME,
			   (int64_t)(clock_wall_ns() / 1000));
}
