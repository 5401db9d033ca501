/* must(): the end of a process that would otherwise do wrong. */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
must_fail(const char *cond, const char *file, int line)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "must failed: %s at %s:%d\n", cond,
			 file, line);

	if (n > (int)sizeof(text) - 1)
		n = (int)sizeof(text) - 1;
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(134); /* nobody can read why; still do not go on */
	abort();
}
