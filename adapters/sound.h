#pragma once
/* How long a sound file plays, as far as its size and head tell. Pure. */
#include <stdint.h>

#include "base/str.h"

/* Hardly any file has fewer bytes a second; most have more than the other. */
#define SOUND_FLOOR  1000u /* 8 kbit/s */
#define SOUND_LIKELY 4000u /* 32 kbit/s */

struct sound {
	uint64_t most_ms;
	uint64_t likely_ms; /* the same where the head says it */
};

/* Uncompressed WAV by its head, all others by their size. */
struct sound sound_of(struct str file);
