/*
 * Credentials: fetched from where the operator keeps them, kept in a vault.
 * What is hard: a program that is asked for a secret may hang or fork; it
 * gets its own process group, five seconds, and no shell.
 */
#include "conf/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "conf/ini.h"

#define PAGE_BYTES    (64u * 1024)
#define EXEC_LIMIT_NS (5 * NS_PER_SEC)
#define EXEC_WORDS    32
#define INI_BYTES     (256u * 1024)
#define STARS	      STR("********************************")

/* How a file was when it was read; all zero = it was none. */
struct origin {
	uint64_t device, node, bytes, sec, nsec;
};

struct secret_cell {
	const struct secret_cell *next; /* of the vault */
	struct str reference;
	struct str path; /* of the file it came from; "" = none */
	struct origin origin;
	size_t n;
	char bytes[];
};

/* A mapping; the first one holds the vault itself. */
struct secret_vault {
	struct secret_vault *next;
	const struct secret_cell *cells;
	size_t size;
	size_t used;
};

/* What a fetch has read; wiped at its end. */
struct catch
{
	char *p;
	size_t n;
	size_t cap;
	struct buf path; /* the file it came from */
	struct origin origin;
};

struct str
secret_bytes(struct secret s)
{
	return s.cell ? str_make(s.cell->bytes, s.cell->n) : STR_NONE;
}

bool
secret_eq(struct secret a, struct secret b)
{
	struct str x = secret_bytes(a), y = secret_bytes(b);

	return x.n == y.n && bytes_equal(x.p, y.p, x.n);
}

struct str
secret_reference(struct secret s)
{
	return s.cell ? s.cell->reference : STR_NONE;
}

static struct secret_vault *
map(size_t size)
{
	struct secret_vault *v = mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (v == MAP_FAILED)
		return NULL;
	(void)madvise(v, size, MADV_DONTDUMP);
	(void)mlock(v, size); /* as far as the limit goes */
	*v = (struct secret_vault){NULL, NULL, size, sizeof(*v)};
	return v;
}

struct secret_vault *
secret_vault_new(void)
{
	return map(PAGE_BYTES);
}

void
secret_vault_free(struct secret_vault *v)
{
	while (v) {
		struct secret_vault *next = v->next;
		size_t size = v->size;

		bytes_wipe(v, v->used);
		(void)munmap(v, size);
		v = next;
	}
}

static void *
vault_alloc(struct secret_vault *v, size_t n)
{
	struct secret_vault *page = v->next ? v->next : v;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (page->size - page->used < n) {
		size_t head = sizeof(*page) + 16;
		size_t size = MAX_OF((size_t)PAGE_BYTES, n + head);

		page = map(size);
		if (page == NULL)
			return NULL;
		page->next = v->next;
		v->next = page;
	}
	page->used = (page->used + 15) & ~(size_t)15;
	if (page->size - page->used < n)
		return NULL;
	p = (char *)page + page->used;
	page->used += n;
	return p;
}

static bool
fail(struct buf *reason, const char *text)
{
	buf_add_cstr(reason, text);
	return false;
}

static bool
fail_name(struct buf *reason, const char *before, struct str name,
	  const char *after)
{
	buf_printf(reason, "%s '%.*s' %s", before, STR_ARG(name), after);
	return false;
}

/* Reads up to the end of `fd`; false when there is more than fits. */
static bool
read_all(int fd, struct catch *c, int *error)
{
	*error = 0;
	while (c->n < c->cap) {
		ssize_t got = read(fd, c->p + c->n, c->cap - c->n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			*error = errno;
		if (got <= 0)
			return got == 0;
		c->n += (size_t)got;
	}
	return false;
}

static struct origin
origin_of(const struct stat *st)
{
	return (struct origin){st->st_dev, st->st_ino, (uint64_t)st->st_size,
			       (uint64_t)st->st_mtim.tv_sec,
			       (uint64_t)st->st_mtim.tv_nsec};
}

static bool
from_path(const char *path, struct str name, struct catch *c,
	  struct buf *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int error = 0;
	bool whole;

	if (fd < 0)
		return fail_name(reason, "the file", name, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return fail_name(reason, "the file", name,
				 "is not a regular file");
	}
	c->origin = origin_of(&st);
	buf_reset(&c->path);
	buf_add_cstr(&c->path, path);
	whole = read_all(fd, c, &error);
	(void)close(fd);
	if (error)
		return fail_name(reason, "the file", name, strerror(error));
	return whole || fail_name(reason, "the file", name, "is too long");
}

static bool
from_env(struct str name, struct catch *c, struct buf *reason)
{
	char text[256];
	const char *value;

	if (!str_copy(text, sizeof(text), name))
		return fail(reason, "the variable's name is too long");
	value = getenv(text);
	if (value == NULL)
		return fail_name(reason, "the environment variable", name,
				 "is not set");
	c->n = strlen(value);
	if (c->n > c->cap)
		return fail_name(reason, "the environment variable", name,
				 "is too long");
	memcpy(c->p, value, c->n);
	return true;
}

static bool
from_credential(struct str name, struct catch *c, struct buf *reason)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	CLEANUP(buf_free) struct buf path = BUF_INIT;

	if (folder == NULL)
		return fail(reason, "CREDENTIALS_DIRECTORY is not set: cred: "
				    "needs a service manager that passes "
				    "credentials");
	if (name.n == 0 || str_find(name, '/') >= 0)
		return fail(reason, "cred: takes a plain name");
	buf_printf(&path, "%s/%.*s%c", folder, STR_ARG(name), 0);
	return !path.failed && from_path(path.p, name, c, reason);
}

/* Cuts `text` into words at blanks; quotes of both kinds hold words
 * together. Words and their text live in `room`. 0 when it cannot be. */
static size_t
split_words(struct str text, char *room, char **words)
{
	size_t n = 0, i = 0;
	char *p = room;

	while (n < EXEC_WORDS - 1) {
		char quote = 0;

		while (i < text.n && text.p[i] == ' ')
			i++;
		if (i == text.n)
			break;
		words[n++] = p;
		for (; i < text.n && (quote || text.p[i] != ' '); i++) {
			char c = text.p[i];

			if (quote ? c == quote : (c == '"' || c == '\''))
				quote = quote ? 0 : c;
			else
				*p++ = c;
		}
		if (quote)
			return 0;
		*p++ = '\0';
	}
	words[n] = NULL;
	return i == text.n ? n : 0;
}

static void
become(char **words, int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	(void)close_range(3, ~0u, 0);
	(void)execvp(words[0], words);
	_exit(127);
}

static bool
wait_readable(int fd, uint64_t deadline)
{
	uint64_t now = clock_mono_ns();
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (now >= deadline)
		return false;
	return poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) > 0 ||
	       errno == EINTR;
}

/* Its output up to its end; false when the time or the room ran out. */
static bool
read_until(int fd, uint64_t deadline, struct catch *c)
{
	while (c->n < c->cap) {
		ssize_t got;

		if (!wait_readable(fd, deadline))
			return false;
		got = read(fd, c->p + c->n, c->cap - c->n);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		c->n += got > 0 ? (size_t)got : 0;
	}
	return false;
}

/* Its exit status, or -1 when it had to be killed. */
static int
end_child(pid_t pid, uint64_t deadline)
{
	static const struct timespec pause = {0, 5000000};
	int status = 0;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 &&
	       clock_mono_ns() < deadline)
		(void)nanosleep(&pause, NULL);
	/* Also what it may have started: the group is its own. */
	(void)kill(-pid, SIGKILL);
	if (got == 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		return -1;
	}
	return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool
run(char **words, struct catch *c, struct buf *reason)
{
	uint64_t deadline = clock_mono_ns() + EXEC_LIMIT_NS;
	int ends[2], status;
	bool whole;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return fail(reason, strerror(errno));
	pid = fork();
	if (pid == 0)
		become(words, ends[1]);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return fail(reason, "the command cannot be started");
	}
	whole = read_until(ends[0], deadline, c);
	(void)close(ends[0]);
	status = end_child(pid, whole ? deadline : 0);
	if (status == 127)
		return fail(reason, "the command is not found");
	if (!whole && status < 0)
		return fail(reason, "the command took longer than 5 s or "
				    "wrote too much");
	if (status == 0)
		return true;
	buf_printf(reason, "the command ended with status %d", status);
	return false;
}

static bool
from_command(struct str command, struct catch *c, struct buf *reason)
{
	char *words[EXEC_WORDS], room[1024];

	if (command.n >= sizeof(room) || split_words(command, room, words) == 0)
		return fail(reason, "exec: takes a program and its words, at "
				    "most 30 and 1000 bytes, quotes closed");
	return run(words, c, reason);
}

/* The path as a C string in `path`. */
static void
make_path(const struct secret_request *r, struct str name, struct buf *path)
{
	if (name.p[0] != '/')
		buf_printf(path, "%.*s/", STR_ARG(r->directory));
	buf_add_str(path, name);
	buf_add_char(path, '\0');
}

static bool
from_file(const struct secret_request *r, struct str name, struct catch *c,
	  struct buf *reason, struct buf *reference)
{
	CLEANUP(buf_free) struct buf path = BUF_INIT;

	if (name.n == 0)
		return fail(reason, "file: needs a path");
	make_path(r, name, &path);
	if (path.failed)
		return fail(reason, "out of memory");
	buf_reset(reference);
	buf_printf(reference, "file:%s", path.p);
	return from_path(path.p, name, c, reason);
}

/* The value of a key in the text of a file. */
static bool
pick_value(struct catch *c, struct catch *whole, struct str section,
	   struct str key, struct buf *reason)
{
	struct str value;

	if (!ini_find(str_make(whole->p, whole->n), section, key, &value))
		return fail_name(reason, "there is no key", key,
				 "in that section");
	if (value.n > c->cap)
		return fail(reason, "the secret is too long");
	memcpy(c->p, value.p, value.n);
	c->n = value.n;
	return true;
}

/* "PATH#SECTION.KEY" */
static bool
from_ini(const struct secret_request *r, struct str name, struct catch *c,
	 struct buf *reason, struct buf *reference)
{
	CLEANUP(buf_free) struct buf path = BUF_INIT;
	struct catch whole = {malloc(INI_BYTES), 0, INI_BYTES, BUF_INIT, {0}};
	struct str file = name, section = STR_NONE, key = STR_NONE;
	bool fine;

	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '#') {
			file = str_make(name.p, i);
			section = str_from(name, i + 1);
		}
	for (size_t i = 0; i < section.n; i++)
		if (section.p[i] == '.')
			key = str_from(section, i + 1);
	if (file.n == 0 || key.n == 0 || !whole.p) {
		free(whole.p);
		return fail(reason, "ini: needs PATH#SECTION.KEY");
	}
	section.n -= key.n + 1;
	make_path(r, file, &path);
	buf_reset(reference);
	buf_printf(reference, "ini:%s#%.*s.%.*s", path.failed ? "" : path.p,
		   STR_ARG(section), STR_ARG(key));
	fine = !path.failed && from_path(path.p, file, &whole, reason) &&
	       pick_value(c, &whole, section, key, reason);
	c->path = whole.path;
	c->origin = whole.origin;
	bytes_wipe(whole.p, whole.n);
	free(whole.p);
	return fine;
}

/* `reference`: what to show for it. */
static bool
fetch(const struct secret_request *r, struct catch *c, bool *literal,
      struct buf *reason, struct buf *reference)
{
	struct str s = r->reference;

	*literal = false;
	buf_add_str(reference, s);
	if (str_starts(s, STR("env:")))
		return from_env(str_from(s, 4), c, reason);
	if (str_starts(s, STR("file:")))
		return from_file(r, str_from(s, 5), c, reason, reference);
	if (str_starts(s, STR("ini:")))
		return from_ini(r, str_from(s, 4), c, reason, reference);
	if (str_starts(s, STR("cred:")))
		return from_credential(str_from(s, 5), c, reason);
	if (str_starts(s, STR("exec:")))
		return from_command(str_from(s, 5), c, reason);
	*literal = true;
	buf_reset(reference);
	buf_add_str(reference, STARS);
	if (s.n > c->cap)
		return fail(reason, "the secret is too long");
	memcpy(c->p, s.p, s.n);
	c->n = s.n;
	return true;
}

static void
cut_line_end(struct catch *c)
{
	if (c->n && c->p[c->n - 1] == '\n')
		c->n--;
	if (c->n && c->p[c->n - 1] == '\r')
		c->n--;
}

/* A copy behind `*at`, NUL-terminated. */
static struct str
put_text(char **at, struct str s)
{
	struct str copy = {*at, s.n};

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	(*at)[s.n] = '\0';
	*at += s.n + 1;
	return copy;
}

static bool
store(struct secret_vault *v, const struct catch *c, struct str reference,
      struct secret *out)
{
	struct secret_cell *cell = vault_alloc(
		v, sizeof(*cell) + c->n + 1 + reference.n + 1 + c->path.n + 1);
	char *at;

	if (cell == NULL)
		return false;
	at = cell->bytes;
	cell->n = put_text(&at, str_make(c->p, c->n)).n;
	cell->reference = put_text(&at, reference);
	cell->path = put_text(&at, buf_str(&c->path));
	cell->origin = c->origin;
	cell->next = v->cells;
	v->cells = cell;
	out->cell = cell;
	return true;
}

bool
secret_fetch(struct secret_vault *v, const struct secret_request *r,
	     struct secret *out, bool *literal, struct buf *reason)
{
	CLEANUP(buf_free) struct buf reference = BUF_INIT;
	/* Room for a line end, and for one byte more to see what is too long. */
	struct catch c = {malloc(r->max + 3), 0, r->max + 3, BUF_INIT, {0}};
	bool fine;

	*out = (struct secret){NULL};
	if (c.p == NULL)
		return fail(reason, "out of memory");
	fine = fetch(r, &c, literal, reason, &reference);
	if (fine)
		cut_line_end(&c);
	if (fine && (c.n < r->min || c.n > r->max)) {
		buf_printf(reason,
			   "the secret has %zu bytes; it must have %zu to %zu",
			   c.n, r->min, r->max);
		fine = false;
	}
	if (fine && (reference.failed || c.path.failed ||
		     !store(v, &c, buf_str(&reference), out)))
		fine = fail(reason, "out of memory");
	bytes_wipe(c.p, c.cap);
	free(c.p);
	buf_free(&c.path);
	return fine;
}

/* FNV-1a over the numbers. */
static uint64_t
fold(uint64_t h, const struct origin *o)
{
	const uint64_t v[] = {o->device, o->node, o->bytes, o->sec, o->nsec};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		h = (h ^ v[i]) * 1099511628211ull;
	return h;
}

uint64_t
secret_vault_look(const struct secret_vault *v, struct str *changed)
{
	uint64_t h = 14695981039346656037ull;

	*changed = STR("");
	for (const struct secret_cell *c = v->cells; c; c = c->next) {
		struct origin now = c->origin;
		struct stat st;

		if (c->path.n == 0)
			continue;
		if (stat(c->path.p, &st) == 0)
			now = origin_of(&st);
		if (memcmp(&now, &c->origin, sizeof(now)) != 0)
			*changed = c->reference;
		h = fold(h, &now);
	}
	return h;
}

static bool
says_otherwise(const struct secret_cell *cell)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	struct catch c = {malloc(PAGE_BYTES), 0, PAGE_BYTES, BUF_INIT, {0}};
	bool other;

	if (c.p == NULL)
		return false;
	other = from_command(str_from(cell->reference, 5), &c, &reason);
	cut_line_end(&c);
	other = other &&
		(c.n != cell->n || !bytes_equal(c.p, cell->bytes, c.n));
	bytes_wipe(c.p, c.n);
	free(c.p);
	return other;
}

bool
secret_vault_renewed(const struct secret_vault *v)
{
	for (const struct secret_cell *c = v->cells; c; c = c->next)
		if (str_starts(c->reference, STR("exec:")) && says_otherwise(c))
			return true;
	return false;
}
