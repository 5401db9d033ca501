#pragma once
/* admin/openapi.yaml, as it is served. */
#include "base/str.h"

struct str admin_openapi(void);
