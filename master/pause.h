#pragma once
/* How long a place stays empty after its process died. */
#include <stdint.h>

/* The pause before a start that follows a life of `lived_ns`: none at first
 * (pause_ms 0), then 100 ms, doubling to 5 s; forgotten after 10 s of life. */
uint32_t pause_next(uint32_t pause_ms, uint64_t lived_ns);
