#pragma once
/*
 * 32-bit floats and their decimal text, exact both ways: the nearest float to
 * a number, the shortest number that is read as the same float again.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/attrs.h"
#include "base/str.h"

#define FLOAT32_TEXT 20 /* "-1.17549435e-38" and more */

/* `number` is a JSON number, and some byte that cannot be part of one stands
 * behind it. False: it is none, or beyond what a float holds. */
NODISCARD bool float32_read(struct str number, float *out);
/* A JSON number, terminated; its length. `v` is finite. */
size_t float32_write(char out[FLOAT32_TEXT], float v);
