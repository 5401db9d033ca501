#pragma once
/* Compiler attributes under short names, and the smallest macros. */

#define NODISCARD    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED	     __attribute__((unused))
#define COLD	     __attribute__((cold))
#define INLINE	     static inline __attribute__((always_inline))
#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* A local that owns: `CLEANUP(buf_free) struct buf b;` calls buf_free(&b). */
#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define CACHE_LINE   64
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))
