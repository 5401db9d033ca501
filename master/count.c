/* The master's own figures in the shared metrics. */
#include "master/count.h"

#include "base/clock.h"
#include "shm/metrics.h"

void
count_restart(struct master *m)
{
	metric_add(metrics_of_master(&m->region), M_WORKER_RESTARTS, 1);
}

/* The words are another program's: cut, and nothing but ASCII. */
static void
show_why(char out[UPGRADE_WHY], struct str why)
{
	size_t n = MIN_OF(why.n, UPGRADE_WHY - 1);

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		bool plain = why.p[i] >= ' ' && why.p[i] < 0x7f;

		out[i + 1] = '\0';
		out[i] = plain ? why.p[i] : '?';
	}
}

void
count_upgrade(struct master *m, bool well, struct str why)
{
	struct shm_head *h = m->region.head;

	show_why(h->upgrade_why, why);
	atomic_store(&h->upgraded, well);
	atomic_store(&h->upgrade_ms, clock_wall_ns() / NS_PER_MS);
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
