/* Paths of the configuration, and what is read from them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/arena.h"
#include "conf/load.h"
#include "conf/rules.h"

#define CERTIFICATE_MAX (1024 * 1024)
/* The longest name of a socket in run_dir is "/admin.sock". */
#define SOCKET_NAME_MAX 12

static struct conf_where
top(const struct conf *c)
{
	return (struct conf_where){c->path.p, 1};
}

static bool
join(struct conf *c, struct str folder, struct str *path, struct buf *error)
{
	if (path->n && path->p[0] != '/')
		*path = arena_printf(c->arena, "%.*s/%.*s", STR_ARG(folder),
				     STR_ARG(*path));
	return path->p || conf_fault(error, top(c), "path", "out of memory");
}

/* A path below the prefix. */
static bool
below_prefix(struct conf *c, struct str *path, const char *key,
	     struct buf *error)
{
	if (path->n == 0 || path->p[0] == '/')
		return true;
	if (c->prefix.n == 0)
		return conf_fault(error, top(c), key,
				  "a relative path needs a prefix (-p)");
	return join(c, c->prefix, path, error);
}

static bool
logs(struct conf *c, struct buf *error)
{
	if (str_eq(c->error_log, STR("-")))
		c->error_log = STR("");
	if (!below_prefix(c, &c->error_log, "error_log", error))
		return false;
	return str_eq(c->access_log, STR("-")) ||
	       below_prefix(c, &c->access_log, "access_log", error);
}

static bool
read_certificate(struct conf *c, struct conf_listen *l, struct buf *error)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	FILE *f = fopen(l->certificate.p, "re");
	char *room = NULL;
	bool fine;

	if (f == NULL)
		return conf_fault(error, l->where, "listen.certificate",
				  "%s: %s", l->certificate.p, strerror(errno));
	room = buf_reserve(&text, CERTIFICATE_MAX);
	if (room)
		text.n = fread(room, 1, CERTIFICATE_MAX, f);
	fine = room && !ferror(f) && feof(f);
	(void)fclose(f);
	if (!fine || str_search(buf_str(&text), STR("-----BEGIN ")) < 0)
		return conf_fault(error, l->where, "listen.certificate",
				  "%s does not hold a PEM certificate",
				  l->certificate.p);
	l->certificate_pem = arena_dup(c->arena, buf_str(&text));
	return l->certificate_pem.p != NULL;
}

/* A socket's path as an address. */
static bool
unix_address(struct conf *c, struct conf_address *a, struct conf_where at,
	     const char *key, struct buf *error)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (a->unix_path.n == 0)
		return true;
	if (!join(c, c->run_dir, &a->unix_path, error))
		return false;
	if (!str_copy(un.sun_path, sizeof(un.sun_path), a->unix_path))
		return conf_fault(error, at, key,
				  "the path of a socket has at most %zu bytes",
				  sizeof(un.sun_path) - 1);
	memcpy(&a->sa, &un, sizeof(un));
	a->sa_len = sizeof(un);
	return true;
}

static bool
listeners(struct conf *c, struct str folder, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_listen; i++) {
		struct conf_listen *l = &c->listen[i];

		if (!unix_address(c, &l->address, l->where, "listen.address",
				  error))
			return false;
		if (l->certificate.n == 0)
			continue;
		if (folder.n && !join(c, folder, &l->certificate, error))
			return false;
		if (!read_certificate(c, l, error))
			return false;
	}
	return unix_address(c, &c->admin.address, top(c), "admin.address",
			    error);
}

/* Paths below the folder of the main file. */
static bool
credential_files(struct conf *c, struct str folder, struct buf *error)
{
	for (uint32_t i = 0; folder.n && i < c->n_channels; i++)
		for (uint32_t k = 0; k < c->channels[i].n_keys; k++)
			if (!join(c, folder,
				  &c->channels[i].keys[k].credentials_file,
				  error))
				return false;
	return true;
}

bool
conf_paths(struct conf *c, struct str folder, struct buf *error)
{
	struct sockaddr_un un;

	if (!below_prefix(c, &c->state_dir, "state_dir", error) ||
	    !below_prefix(c, &c->run_dir, "run_dir", error))
		return false;
	if (c->run_dir.n + SOCKET_NAME_MAX > sizeof(un.sun_path))
		return conf_fault(error, top(c), "run_dir",
				  "%s is too long for the path of a socket",
				  c->run_dir.p);
	return logs(c, error) && listeners(c, folder, error) &&
	       credential_files(c, folder, error);
}
