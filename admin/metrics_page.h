#pragma once
/* GET /metrics: the Prometheus text format 0.0.4. */
#include "base/buf.h"
#include "shm/region.h"

void metrics_page(const struct region *r, struct buf *out);
