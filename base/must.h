#pragma once
/*
 * must(): an assertion that is never compiled out. For what cannot happen
 * unless the program is wrong; what can happen returns enum err. Writes one
 * line to stderr and aborts; prints the condition, never any value.
 */
#include "base/attrs.h"

#define must(cond)                                            \
	do {                                                  \
		if (UNLIKELY(!(cond)))                        \
			must_fail(#cond, __FILE__, __LINE__); \
	} while (0)

COLD __attribute__((noreturn)) void must_fail(const char *cond,
					      const char *file, int line);
