#pragma once
/*
 * Crash points: a process kills itself (SIGKILL) at a numbered place between
 * two steps, when a test asks for it. Not compiled in without
 * -Dcrash_points=true. The places: crash_points.def.
 *
 * Who decides: a struct crash_word in memory that the processes share
 * (crash_share, or the file that TOLLGATE_CRASH_FILE names), or the
 * environment: TOLLGATE_CRASH_POINT=number[:count[:role]] kills at the
 * count-th pass of any process, or of one that has said that role.
 */
#include <stdatomic.h>
#include <stdint.h>

enum crash_place {
#define CRASH(number, name, text) name = (number),
#include "shm/crash_points.def"
#undef CRASH
	CRASH_PLACES = 200
};

struct crash_word {
	_Atomic uint32_t armed;	 /* place; 0 = none; disarmed by the kill */
	_Atomic uint32_t skip;	 /* passes to let go first */
	_Atomic uint32_t role;	 /* 0 = any, else crash_role_id() */
	_Atomic uint32_t victim; /* pid of the last one killed */
	_Atomic uint32_t frozen; /* role that stands still at any place; a
				    kill sets it to freeze_next */
	_Atomic uint32_t freeze_next;
	_Atomic uint32_t pause; /* place where a process thaws the others and
				   lets them run for a moment; 0 = none */
	_Atomic uint32_t pause_every; /* only every so many passes */
	_Atomic uint32_t pause_passes;
	_Atomic uint32_t kills[CRASH_PLACES];
};

#ifdef TOLLGATE_CRASH_POINTS
void crash_point(enum crash_place place);
/* Before the fork; NULL: none. */
void crash_share(struct crash_word *shared);
/* What this process is ("worker", "writer"); the text must stay. */
void crash_role(const char *role);
uint32_t crash_role_id(const char *role);
const char *crash_name(uint32_t place);
#define CRASH_POINT(place) crash_point(place)
#define CRASH_ROLE(role)   crash_role(role)
#else
#define CRASH_POINT(place) ((void)0)
#define CRASH_ROLE(role)   ((void)0)
#endif
