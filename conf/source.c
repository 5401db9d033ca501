/*
 * Configuration files as text. libconfig's own include knows no relative
 * path, leaves the process when a file is a directory, and its numbers wrap
 * around silently; so the text is put together and looked through here.
 */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

#define DEPTH_MAX 8u
#define INT_LIMIT 0x7fffffffull

/* One file while it is looked through. */
struct scan {
	struct source *s;
	struct str text;
	const char *file; /* for errors */
	struct str folder;
	size_t at;
	uint32_t line;
	struct str name; /* the last name: what a value belongs to */
	char last;	 /* the last byte that is neither space nor comment */
	unsigned depth;
	struct buf *error;
};

void
source_init(struct source *s, struct arena *arena)
{
	*s = (struct source){.text = BUF_INIT, .arena = arena};
}

void
source_free(struct source *s)
{
	buf_free(&s->text);
	free(s->at);
	s->at = NULL;
}

struct conf_where
source_where(const struct source *s, unsigned line)
{
	static const struct conf_where none = {"?", 0};

	if (s->lines == 0)
		return none;
	return s->at[MIN_OF(line ? line - 1 : 0, s->lines - 1)];
}

static bool
fail(const struct scan *c, const char *reason)
{
	buf_printf(c->error, "%s:%u: ", c->file, c->line);
	if (c->name.n)
		buf_printf(c->error, "%.*s: ", STR_ARG(c->name));
	buf_add_cstr(c->error, reason);
	return false;
}

static bool
add_line(struct source *s, const char *file, uint32_t line)
{
	if (s->lines == s->cap) {
		uint32_t cap = s->cap ? 2 * s->cap : 256;
		struct conf_where *at = realloc(s->at, cap * sizeof(*at));

		if (at == NULL)
			return false;
		s->at = at;
		s->cap = cap;
	}
	s->at[s->lines++] = (struct conf_where){file, line};
	return true;
}

/* Moves the next byte into the text. */
static bool
step(struct scan *c)
{
	char b = c->text.p[c->at++];

	buf_add_char(&c->s->text, b);
	if (b != '\n')
		return true;
	c->line++;
	return add_line(c->s, c->file, c->line);
}

static char
peek(const struct scan *c, size_t ahead)
{
	return c->at + ahead < c->text.n ? c->text.p[c->at + ahead] : '\0';
}

static bool
letter(char b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '*' ||
	       b == '_';
}

static bool
digit(char b)
{
	return b >= '0' && b <= '9';
}

static bool
string(struct scan *c)
{
	uint32_t from = c->line;

	if (!step(c))
		return false;
	while (c->at < c->text.n && c->text.p[c->at] != '"') {
		if (c->text.p[c->at] == '\\' && !step(c))
			return false;
		if (c->at < c->text.n && !step(c))
			return false;
	}
	if (c->at == c->text.n) {
		c->line = from;
		return fail(c, "the text that begins here is not closed");
	}
	return step(c);
}

static bool
comment(struct scan *c)
{
	bool block = peek(c, 0) == '/' && peek(c, 1) == '*';
	uint32_t from = c->line;

	while (c->at < c->text.n) {
		if (!block && peek(c, 0) == '\n')
			return true;
		bool last = block && peek(c, 0) == '*' && peek(c, 1) == '/';

		if (!step(c))
			return false;
		if (last)
			return step(c);
	}
	c->line = block ? from : c->line;
	return !block || fail(c, "the comment that begins here is not closed");
}

static bool
name(struct scan *c)
{
	size_t from = c->at;

	while (letter(peek(c, 0)) || digit(peek(c, 0)) || peek(c, 0) == '-')
		buf_add_char(&c->s->text, c->text.p[c->at++]);
	c->name = str_make(c->text.p + from, c->at - from);
	if (peek(c, 0) != '.')
		return true;
	return fail(c, "the name of a key cannot hold a '.'; models and "
		       "channels are lists: { name = \"...\"; }");
}

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!digit(s.p[i]))
			return false;
	return true;
}

/* True when the number is one that libconfig takes for an int and that is
 * none. `s` has no sign. */
static bool
wraps(struct str s)
{
	bool hex = s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
	uint64_t v = 0;

	while (s.n && s.p[s.n - 1] == 'L')
		s.n--;
	if (!hex && !str_to_u64(s, &v))
		/* Digits only, but more than 64 bits; else a decimal. */
		return s.n > 18 && all_digits(s);
	if (hex) /* leading zeros do not count */
		for (size_t i = 2; i < s.n && v <= INT_LIMIT; i++)
			v = v * 16 +
			    (uint64_t)(digit(s.p[i])
					       ? s.p[i] - '0'
					       : (s.p[i] | 0x20) - 'a' + 10);
	return v > INT_LIMIT;
}

static bool
number(struct scan *c)
{
	size_t from = c->at;

	while (letter(peek(c, 0)) || digit(peek(c, 0)) || peek(c, 0) == '.')
		buf_add_char(&c->s->text, c->text.p[c->at++]);
	if (!wraps(str_make(c->text.p + from, c->at - from)))
		return true;
	return fail(c, "the number is too large to be written bare; write it "
		       "as a text with its unit: \"5000000000\", \"64GiB\"");
}

static bool scan_all(struct scan *c);
static bool load(struct source *s, const char *path, unsigned depth,
		 struct buf *error, const struct scan *from);

/* At "@include"; the rest of the line must be its path. */
static bool
include(struct scan *c)
{
	struct str rest = str_from(c->text, c->at + strlen("@include"));
	CLEANUP(buf_free) struct buf path = BUF_INIT;
	ptrdiff_t end = str_find(rest, '\n');
	struct str line = end < 0 ? rest : str_make(rest.p, (size_t)end);

	c->name = STR("@include");
	line = str_trim(line);
	if (line.n && line.p[line.n - 1] == '\r')
		line = str_trim(str_make(line.p, line.n - 1));
	if (line.n < 3 || line.p[0] != '"' || line.p[line.n - 1] != '"')
		return fail(c, "write @include \"FILE\" on a line of its own");
	line = str_make(line.p + 1, line.n - 2);
	if (c->depth >= DEPTH_MAX)
		return fail(c, "includes are nested too deeply, or in a ring");
	if (line.p[0] != '/' && c->folder.n == 0)
		return fail(c, "only an absolute path can be included here");
	if (line.p[0] != '/')
		buf_printf(&path, "%.*s/", STR_ARG(c->folder));
	buf_printf(&path, "%.*s%c", STR_ARG(line), 0);
	buf_add_char(&c->s->text, '\n'); /* its first line is a new one */
	if (path.failed || !load(c->s, path.p, c->depth + 1, c->error, c))
		return false;
	c->at = end < 0 ? c->text.n
			: (size_t)(rest.p - c->text.p) + (size_t)end;
	/* What follows counts as a line of this file again. */
	buf_add_char(&c->s->text, '\n');
	return add_line(c->s, c->file, c->line);
}

static bool
token(struct scan *c)
{
	char b = peek(c, 0);

	if ((b == ')' || b == ']') && c->last == ',') {
		c->name = STR_NONE;
		return fail(c, "a comma stands before the closing bracket; "
			       "remove it");
	}
	c->last = b;
	if (b == '"')
		return string(c);
	if (digit(b) || (b == '.' && digit(peek(c, 1))))
		return number(c);
	return letter(b) ? name(c) : step(c);
}

static bool
scan_all(struct scan *c)
{
	bool fine = add_line(c->s, c->file, c->line);

	while (fine && c->at < c->text.n) {
		char b = peek(c, 0);

		if (b == ' ' || b == '\t' || b == '\r' || b == '\n')
			fine = step(c);
		else if (b == '#' ||
			 (b == '/' && (peek(c, 1) == '/' || peek(c, 1) == '*')))
			fine = comment(c);
		else if (b == '@' &&
			 str_starts(str_from(c->text, c->at), STR("@include")))
			fine = include(c);
		else
			fine = token(c);
		if (c->s->text.n > SOURCE_BYTES_MAX)
			return fail(c, "the configuration is too large");
	}
	if (c->s->text.failed || (!fine && c->error->n == 0))
		return fail(c, "out of memory");
	return fine;
}

/* Bytes that no file may hold, before anything else looks at them. */
static bool
clean(struct scan *c)
{
	size_t bad = utf8_valid_to(c->text);
	ptrdiff_t nul = str_find(c->text, '\0');

	if (bad == c->text.n && nul < 0)
		return true;
	if (nul >= 0 && (size_t)nul < bad)
		bad = (size_t)nul;
	for (size_t i = 0; i < bad; i++)
		c->line += c->text.p[i] == '\n';
	return fail(c, "the file holds bytes that are not text (UTF-8)");
}

static bool
look_through(struct scan *c)
{
	struct str file = arena_dup(c->s->arena, str_of(c->file));

	if (file.p == NULL)
		return fail(c, "out of memory");
	c->file = file.p;
	if (!clean(c) || !scan_all(c))
		return false;
	*buf_reserve(&c->s->text, 1) = '\0';
	return true;
}

static bool
read_file(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, 65536);
		ssize_t got;

		if (room == NULL || out->n > SOURCE_BYTES_MAX) {
			errno = EFBIG;
			return false;
		}
		got = read(fd, room, 65536);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		out->n += got > 0 ? (size_t)got : 0;
	}
}

static bool
no_file(const char *path, const struct scan *from, struct buf *error)
{
	const char *reason = strerror(errno);

	if (from)
		buf_printf(error, "%s:%u: @include: %s: %s", from->file,
			   from->line, path, reason);
	else
		buf_printf(error, "%s:0: cannot be read: %s", path, reason);
	return false;
}

/* `from`: who includes it, or NULL. */
static bool
load(struct source *s, const char *path, unsigned depth, struct buf *error,
     const struct scan *from)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const char *slash = strrchr(path, '/');
	struct scan c = {.s = s,
			 .file = path,
			 .line = 1,
			 .depth = depth,
			 .error = error};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY |
				    (from ? O_NONBLOCK : 0));
	bool fine;

	if (fd < 0)
		return no_file(path, from, error);
	fine = read_file(fd, &text);
	if (!fine)
		(void)no_file(path, from, error);
	(void)close(fd);
	if (!fine)
		return false;
	c.text = str_make(text.p, text.n);
	c.folder = slash ? str_make(path, (size_t)(slash - path)) : STR(".");
	if (slash == path)
		c.folder = STR("/");
	return look_through(&c);
}

bool
source_read(struct source *s, const char *path, struct buf *error)
{
	return load(s, path, 0, error, NULL);
}

bool
source_consume(struct source *s, struct str text, const char *file,
	       struct buf *error)
{
	struct scan c = {
		.s = s, .text = text, .file = file, .line = 1, .error = error};

	return look_through(&c);
}
