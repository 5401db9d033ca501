/*
 * Crash points; see crash.h. The only file below the role mains with mutable
 * file-scope state, and it is empty in a build that is not for the crash
 * test: a place in the middle of a hold has nowhere else to ask.
 */
#include "shm/crash.h"

#ifdef TOLLGATE_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct crash_word *word;
static struct crash_word own; /* when only the environment asks */
static const char *own_role = "";
static uint32_t own_role_id;
static bool asked;

static const char *const names[CRASH_PLACES] = {
#define CRASH(number, name, text) [number] = #name,
#include "shm/crash_points.def"
#undef CRASH
};

const char *
crash_name(uint32_t place)
{
	return place < CRASH_PLACES ? names[place] : NULL;
}

uint32_t
crash_role_id(const char *role)
{
	uint32_t h = 2166136261u;

	for (; *role; role++)
		h = (h ^ (uint8_t)*role) * 16777619u;
	return h | 1;
}

void
crash_role(const char *role)
{
	own_role = role;
	own_role_id = crash_role_id(role);
}

void
crash_share(struct crash_word *shared)
{
	word = shared;
	asked = true;
}

static struct crash_word *
map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return NULL;
	p = mmap(NULL, sizeof(struct crash_word), PROT_READ | PROT_WRITE,
		 MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return NULL;
	return p;
}

static void
read_environment(void)
{
	const char *path = getenv("TOLLGATE_CRASH_FILE");
	const char *point = getenv("TOLLGATE_CRASH_POINT");
	char role[16] = "";
	unsigned number = 0, count = 1;

	asked = true;
	if (path) {
		word = map_file(path);
		return;
	}
	if (!point || sscanf(point, "%u:%u:%15s", &number, &count, role) < 1)
		return;
	own.armed = number;
	own.skip = count > 0 ? count - 1 : 0;
	own.role = role[0] ? crash_role_id(role) : 0;
	word = &own;
}

void
crash_point(enum crash_place place)
{
	uint32_t armed = (uint32_t)place;

	if (!asked)
		read_environment();
	if (!word)
		return;
	while (word->frozen && word->frozen == own_role_id)
		(void)usleep(20);
	if (word->pause == armed &&
	    ++word->pause_passes % (word->pause_every + 1) == 0) {
		word->frozen = 0;
		(void)usleep(300);
	}
	if (word->armed != armed)
		return;
	if (word->role && word->role != own_role_id)
		return;
	if (word->skip && atomic_fetch_sub(&word->skip, 1) > 0)
		return;
	if (!atomic_compare_exchange_strong(&word->armed, &armed, 0))
		return;
	word->kills[place]++;
	word->victim = (uint32_t)getpid();
	word->frozen = word->freeze_next;
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

#endif
