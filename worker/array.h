#pragma once
/* A stream of events as one JSON array: what Gemini's clients get that do not
 * ask for events ("alt=sse"). Private to worker/. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* The data of the events in `text`, as elements; *begun: the array is. What
 * is no data (comments) is left out. */
void array_put(struct buf *out, struct str text, bool *begun);
/* The array's end; it begins here if need be. */
void array_end(struct buf *out, bool *begun);
