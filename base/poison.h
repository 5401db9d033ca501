#pragma once
/* Marks memory that nobody may touch: AddressSanitizer reports who does.
 * Empty without the sanitizer. For allocators. */
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_POISON 1
#endif
#endif

#ifdef HAS_POISON
#include <sanitizer/asan_interface.h>

static inline void
poison(const volatile void *p, size_t n)
{
	ASAN_POISON_MEMORY_REGION(p, n);
}

static inline void
unpoison(const volatile void *p, size_t n)
{
	ASAN_UNPOISON_MEMORY_REGION(p, n);
}
/* Left unusable between two pieces. */
#define POISON_GAP 16
#else
static inline void
poison(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
}

static inline void
unpoison(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
}
#define POISON_GAP 0
#endif
