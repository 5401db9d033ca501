#pragma once
/* The effective configuration as text that loads again (-T). */
#include "base/buf.h"

struct conf;

/* Every key with its value; secrets as their reference, literals as stars. */
void conf_dump(const struct conf *c, struct buf *out);
