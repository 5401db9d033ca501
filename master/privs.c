/* Rights: what the processes give up, and the limits they raise. */
#include "master/privs.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than this no process needs, and some kernels refuse. */
#define DESCRIPTORS_MAX (1u << 20)

static const struct passwd *
user_find(struct str user, struct buf *error)
{
	char name[64];
	const struct passwd *pw;

	if (!str_copy(name, sizeof(name), user))
		return NULL;
	pw = getpwnam(name); /* one thread, at start: not shared */
	if (!pw)
		buf_printf(error, "user: there is no user \"%s\"", name);
	return pw;
}

/* As root: `path` becomes the property of `user`, if one is named. */
static bool
give(const char *path, struct str user, struct buf *error)
{
	const struct passwd *pw;

	if (geteuid() != 0 || user.n == 0)
		return true;
	pw = user_find(user, error);
	if (!pw)
		return false;
	if (lchown(path, pw->pw_uid, pw->pw_gid) == 0)
		return true;
	buf_printf(error, "cannot give %s to %.*s: %s", path, STR_ARG(user),
		   strerror(errno));
	return false;
}

bool
privs_give_socket(struct str run_dir, struct str user, struct buf *error)
{
	char p[PATH_MAX];

	(void)snprintf(p, sizeof(p), "%.*s/admin.sock", STR_ARG(run_dir));
	return give(p, user, error);
}

bool
privs_make_dir(struct str path, struct str user, struct buf *error)
{
	char p[PATH_MAX];

	if (!str_copy(p, sizeof(p), path)) {
		buf_printf(error, "path too long: %.*s", STR_ARG(path));
		return false;
	}
	for (char *s = strchr(p + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(p, 0755); /* the last one tells */
		*s = '/';
	}
	if (mkdir(p, 0750) != 0 && errno != EEXIST) {
		buf_printf(error, "cannot make the directory %s: %s", p,
			   strerror(errno));
		return false;
	}
	return give(p, user, error);
}

bool
privs_drop(struct str user, struct buf *error)
{
	const struct passwd *pw;

	if (geteuid() != 0 || user.n == 0)
		return true;
	pw = user_find(user, error);
	if (!pw)
		return false;
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
		buf_printf(error, "cannot become %s: %s", pw->pw_name,
			   strerror(errno));
		return false;
	}
	if (pw->pw_uid != 0 && setuid(0) == 0) {
		buf_add_cstr(error, "dropping root had no effect");
		return false;
	}
	return true;
}

void
privs_harden(void)
{
	struct rlimit r = {0, 0};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &r);
#ifndef __SANITIZE_ADDRESS__ /* the leak check must trace the process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = MIN_OF(r.rlim_max, DESCRIPTORS_MAX);
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}
