#pragma once
/*
 * The smallest TAP producer: a case is a function whose name is a sentence.
 *
 *	TEST(hold_is_refused_when_balance_is_short) { CHECK(...); }
 *	int main(void) { RUN(hold_is_refused_when_balance_is_short);
 *			 return tap_done(); }
 *
 * CHECK prints file, line and text of what was false and goes on; a case
 * with a false CHECK is "not ok". SKIP(reason) ends a case as skipped.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;
static bool tap_case_bad;
static const char *tap_skip;

#define TEST(name) static void name(void)

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			printf("# %s:%d: false: %s\n", __FILE__, __LINE__, \
			       #cond);                                     \
			tap_case_bad = true;                               \
		}                                                          \
	} while (0)

#define CHECK_INT(a, b)                                                     \
	do {                                                                \
		intmax_t tap_a_ = (intmax_t)(a), tap_b_ = (intmax_t)(b);    \
		if (tap_a_ != tap_b_) {                                     \
			printf("# %s:%d: %s is %" PRIdMAX ", not %" PRIdMAX \
			       " (%s)\n",                                   \
			       __FILE__, __LINE__, #a, tap_a_, tap_b_, #b); \
			tap_case_bad = true;                                \
		}                                                           \
	} while (0)

#define CHECK_STR(a, b)                                                 \
	do {                                                            \
		const char *tap_s_ = (a), *tap_t_ = (b);                \
		if (strcmp(tap_s_, tap_t_) != 0) {                      \
			printf("# %s:%d: %s is \"%s\", not \"%s\"\n",   \
			       __FILE__, __LINE__, #a, tap_s_, tap_t_); \
			tap_case_bad = true;                            \
		}                                                       \
	} while (0)

#define SKIP(reason)                 \
	do {                         \
		tap_skip = (reason); \
		return;              \
	} while (0)

#define RUN(name) tap_run(name, #name)

static inline void
tap_run(void (*test)(void), const char *name)
{
	tap_case_bad = false;
	tap_skip = NULL;
	test();
	tap_count++;
	if (tap_case_bad)
		tap_failed++;
	printf("%s %d - %s", tap_case_bad ? "not ok" : "ok", tap_count, name);
	if (tap_skip)
		printf(" # SKIP %s", tap_skip);
	printf("\n");
	(void)fflush(stdout);
}

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}
