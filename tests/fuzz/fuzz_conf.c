/*
 * Configurations: whatever the text, it is read or refused with one line;
 * what was read is dumped as a text that loads again as the same dump.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "conf/dump.h"
#include "conf/load.h"
#include "tests/fuzz/replay.h"

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

pid_t fork(void);

/* In place of the C library's: no input may run a program (exec:). */
pid_t
fork(void)
{
	errno = ENOSYS;
	return -1;
}

const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets texts and names when the syntax is wrong. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig\n";
}

static bool
load(struct str text, const struct conf **c)
{
	struct buf error = BUF_INIT;
	bool fine = conf_load_text(text, "f", "/p", c, &error);

	REQUIRE(fine == (error.n == 0) && fine == (*c != NULL));
	REQUIRE(str_find(buf_str(&error), '\n') < 0);
	buf_free(&error);
	return fine;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;
	const struct conf *c;

	if (!load(str_make((const char *)input, n), &c))
		return 0;
	conf_dump(c, &once);
	conf_free(c);
	/* Literal secrets become stars; all else comes back. */
	if (load(buf_str(&once), &c)) {
		conf_dump(c, &twice);
		conf_free(c);
		REQUIRE(str_eq(buf_str(&once), buf_str(&twice)));
	} else {
		REQUIRE(str_search(buf_str(&once), STR("****")) >= 0 ||
			str_search(buf_str(&once), STR("\"file:")) >= 0);
	}
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
