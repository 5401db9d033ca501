/* How long a place stays empty after its process died. */
#include "master/pause.h"

#include "base/attrs.h"
#include "base/clock.h"

#define PAUSE_FIRST_MS 100u
#define PAUSE_MAX_MS   5000u
#define LIVED_WELL_NS  (10 * NS_PER_SEC)

uint32_t
pause_next(uint32_t pause_ms, uint64_t lived_ns)
{
	if (lived_ns >= LIVED_WELL_NS)
		return 0;
	return pause_ms == 0 ? PAUSE_FIRST_MS
			     : MIN_OF(pause_ms * 2, PAUSE_MAX_MS);
}
