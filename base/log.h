#pragma once
/*
 * The error log: one line a call, "ts level pid role msg key=value ...", to
 * stderr or a file that is reopened on request. Fields are typed; there is
 * no field type for struct private_text (a prompt, an answer) nor struct
 * secret (a credential): the compiler refuses to log them.
 *
 *	LOG_WARN("channel down", F_STR("channel", name), F_U64("fails", n));
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_field_kind { LOG_STR, LOG_I64, LOG_U64 };

struct log_field {
	const char *key;
	enum log_field_kind kind;
	struct str s;
	int64_t i;
	uint64_t u;
};

/* Text of a client or an upstream: never logged, by type. */
struct private_text {
	struct str s;
};

#define F_STR(k, v)  ((struct log_field){.key = (k), .kind = LOG_STR, .s = (v)})
#define F_CSTR(k, v) F_STR(k, str_of(v))
#define F_I64(k, v)  ((struct log_field){.key = (k), .kind = LOG_I64, .i = (v)})
#define F_U64(k, v)  ((struct log_field){.key = (k), .kind = LOG_U64, .u = (v)})

/* Ends the fields of a call that may have none. */
#define F_END ((struct log_field){.key = NULL})
#define LOG_AT(level, msg, ...)                                        \
	log_write(level, msg, (const struct log_field[]){__VA_ARGS__}, \
		  sizeof((const struct log_field[]){__VA_ARGS__}) /    \
				  sizeof(struct log_field) -           \
			  1)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__, F_END)
#define LOG_WARN(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__, F_END)
#define LOG_INFO(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__, F_END)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__, F_END)

/* Once per process, early and again after a fork; `role` and `path` must
 * live as long; path NULL or "" = stderr. */
void log_open(const char *role, const char *path, enum log_level level);
/* After USR1. */
void log_reopen(void);
/* The descriptor lines go to. */
int log_fd(void);
void log_write(enum log_level level, const char *msg,
	       const struct log_field *fields, size_t n);
