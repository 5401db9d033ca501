#pragma once
/*
 * Secrets that change: files are looked at twice a second, commands are run
 * again every secret_refresh. What has changed leads to a reload.
 */
#include <stdint.h>

struct event;
struct master;

struct secrets {
	uint64_t look_ns; /* when next */
	uint64_t seen;	  /* by the last look */
	uint64_t tried;	  /* what the last reload was asked for */
	uint64_t run_ns;  /* when the commands are run next; 0 = not yet */
	struct event *running;
	int fd; /* what they say comes from here */
};

void secrets_tick(struct master *m, uint64_t now_ns);
/* Nobody listens any more. */
void secrets_stop(struct master *m);
