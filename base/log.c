/*
 * The error log. A line is built on the stack and leaves in one write(), so
 * lines of several processes do not mix (a line is at most PIPE_BUF). What
 * is hard: a value may come from a client; it is quoted and escaped, so that
 * nobody can forge a line or drive a terminal.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES 4096
#define VALUE_MAX      512 /* bytes of one value that are shown */
#define CUT_MARK       "..."

/* The one exception to "no file-scope state" at this level: where lines go
 * belongs to the process, and even code that is handed nothing must be able
 * to say what is wrong. */
static struct {
	const char *role;
	const char *path;
	int fd;
	enum log_level level;
} the_log = {"tollgate", NULL, STDERR_FILENO, LOG_LEVEL_INFO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
	size_t n;
	bool cut;
	char text[LINE_MAX_BYTES];
};

/* Room is kept for the cut mark and the line end. */
static void
put(struct line *l, const char *p, size_t n)
{
	size_t room = sizeof(l->text) - sizeof(CUT_MARK) - l->n;

	if (l->cut || n > room) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void
put_cstr(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void
put_u64(struct line *l, uint64_t v)
{
	char digits[DIGITS_MAX];

	put(l, digits, digits_write(digits, v));
}

static void
put_i64(struct line *l, int64_t v)
{
	if (v < 0)
		put_cstr(l, "-");
	put_u64(l, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static bool
plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-_.:/@+,[]%*", c) != NULL);
}

/* Letters that turn the line around or end it for a terminal. */
static bool
tricky(const unsigned char *c, size_t n)
{
	if (n == 2 && c[0] == 0xc2 && c[1] < 0xa0)
		return true; /* C1 controls */
	if (n != 3 || c[0] != 0xe2)
		return false;
	if (c[1] == 0x80) /* marks, line separators, overrides */
		return c[2] == 0x8e || c[2] == 0x8f ||
		       (c[2] >= 0xa8 && c[2] <= 0xae);
	return c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9;
}

/* Length of the character at `s` when it may be shown as it is, else 0. */
static size_t
shown(struct str s)
{
	const unsigned char *c = (const unsigned char *)s.p;
	size_t n = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

	if (n == 1)
		return c[0] >= 0x20 && c[0] != 0x7f && c[0] != '"' &&
		       c[0] != '\\';
	if (n > s.n || !utf8_valid(str_make(s.p, n)) || tricky(c, n))
		return 0;
	return n;
}

static void
put_escaped(struct line *l, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"': put(l, "\\\"", 2); break;
	case '\\': put(l, "\\\\", 2); break;
	case '\n': put(l, "\\n", 2); break;
	case '\r': put(l, "\\r", 2); break;
	case '\t': put(l, "\\t", 2); break;
	default: put(l, text, 4); break;
	}
}

static void
put_value(struct line *l, struct str s)
{
	bool cut = s.n > VALUE_MAX;
	bool quote = s.n == 0 || cut;

	if (cut)
		s.n = VALUE_MAX;
	for (size_t i = 0; i < s.n && !quote; i++)
		quote = !plain((unsigned char)s.p[i]);
	if (!quote) {
		put(l, s.p, s.n);
		return;
	}
	put_cstr(l, "\"");
	for (size_t i = 0; i < s.n;) {
		size_t n = shown(str_from(s, i));

		if (n)
			put(l, s.p + i, n);
		else
			put_escaped(l, (unsigned char)s.p[i]);
		i += n ? n : 1;
	}
	put_cstr(l, cut ? CUT_MARK "\"" : "\"");
}

static void
put_field(struct line *l, const struct log_field *f)
{
	put_cstr(l, " ");
	put_cstr(l, f->key);
	put_cstr(l, "=");
	switch (f->kind) {
	case LOG_STR: put_value(l, f->s); break;
	case LOG_I64: put_i64(l, f->i); break;
	case LOG_U64: put_u64(l, f->u); break;
	}
}

static void
put_head(struct line *l, enum log_level level, const char *msg)
{
	char now[TIME_TEXT];

	put(l, now, time_text(clock_wall_ns(), 3, now));
	put_cstr(l, " ");
	put_cstr(l, level_names[level]);
	put_cstr(l, " ");
	put_u64(l, (uint64_t)getpid());
	put_cstr(l, " ");
	put_cstr(l, the_log.role);
	put_cstr(l, " ");
	put_cstr(l, msg);
}

void
log_write(enum log_level level, const char *msg, const struct log_field *fields,
	  size_t n)
{
	struct line l = {.n = 0, .cut = false};
	int saved = errno;
	ssize_t done;

	if (level > the_log.level)
		return;
	put_head(&l, level, msg);
	for (size_t i = 0; i < n; i++)
		put_field(&l, &fields[i]);
	if (l.cut) {
		memcpy(l.text + l.n, CUT_MARK, strlen(CUT_MARK));
		l.n += strlen(CUT_MARK);
	}
	l.text[l.n++] = '\n';
	do
		done = write(the_log.fd, l.text, l.n);
	while (done < 0 && errno == EINTR);
	/* A full disk loses log lines, never requests. */
	errno = saved;
}

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

void
log_open(const char *role, const char *path, enum log_level level)
{
	the_log.role = role;
	the_log.level = level;
	if (the_log.path && path && strcmp(the_log.path, path) == 0)
		return; /* inherited over the fork */
	if (the_log.fd != STDERR_FILENO)
		(void)close(the_log.fd);
	the_log.fd = STDERR_FILENO;
	the_log.path = path && *path ? path : NULL;
	log_reopen();
}

void
log_reopen(void)
{
	int fd, saved;

	if (the_log.path == NULL)
		return;
	fd = open_file(the_log.path);
	saved = errno;
	if (fd < 0) {
		LOG_ERROR("log file not opened", F_CSTR("path", the_log.path),
			  F_CSTR("reason", strerror(saved)));
		return;
	}
	if (the_log.fd == STDERR_FILENO) {
		the_log.fd = fd;
		return;
	}
	/* The same number stays, so that who holds log_fd() is right. */
	(void)dup3(fd, the_log.fd, O_CLOEXEC);
	(void)close(fd);
}

int
log_fd(void)
{
	return the_log.fd;
}
