/*
 * From libconfig's tree to struct conf, along the tables of schema.h. The
 * only unit that knows libconfig; its traps are answered here and in
 * source.c: types are never converted, unknown keys are errors.
 */
#include "conf/load.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libconfig.h>

#include "base/arena.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/rules.h"
#include "conf/schema.h"
#include "conf/source.h"
#include "conf/value.h"

#define FILES_MAX 64
#define DROP_INS  "conf.d/*.conf"

/* What conf_free() needs lies beside the struct, in its own arena. */
struct owner {
	struct conf conf;
	struct arena arena;
};

struct file {
	struct source source;
	config_t config;
};

/* One loading. */
struct load {
	struct owner *owner;
	struct arena *arena;
	struct str folder; /* of the main file; relative paths start there */
	struct file files[FILES_MAX];
	unsigned n_files;
	const struct file *file; /* the one being walked */
	struct buf *error;
};

const char *
conf_default_path(void)
{
	const char *path = getenv("TOLLGATE_CONFIG");

	return path && *path ? path : "/etc/tollgate/tollgate.conf";
}

static struct conf_where
where(const struct load *l, const config_setting_t *setting)
{
	unsigned line = setting ? config_setting_source_line(setting) : 1;

	return source_where(&l->file->source, line);
}

/* "file:line: section.key: " */
static void
begin_error(struct load *l, struct conf_where at, const struct section *s,
	    const char *key)
{
	buf_reset(l->error);
	buf_printf(l->error, "%s:%u: %s%s%s: ", at.file, at.line, s->name,
		   *s->name ? "." : "", key);
}

static bool
fail(struct load *l, struct conf_where at, const struct section *s,
     const char *key, const char *reason)
{
	begin_error(l, at, s, key);
	buf_add_cstr(l->error, reason);
	return false;
}

static bool
wrong_type(struct load *l, const config_setting_t *setting,
	   const struct section *s, const struct key *key)
{
	begin_error(l, where(l, setting), s, key->name);
	buf_printf(l->error, "must be %s", value_looks(key->type));
	return false;
}

/* Runs a parser whose reason goes behind the place. */
static bool
parse(struct load *l, struct conf_where at, const struct section *s,
      const struct key *key, struct str text, void *field)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;

	if (value_parse(key, text, field, l->arena, &reason))
		return true;
	begin_error(l, at, s, key->name);
	buf_add_str(l->error, buf_str(&reason));
	return false;
}

static bool
fetch_secret(struct load *l, const config_setting_t *setting,
	     const struct section *s, const struct key *key, struct secret *out)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	const char *text = config_setting_get_string(setting);
	struct secret_request r = {str_of(text), l->folder, 0, 0};
	uint64_t min = 0, max = 0;
	bool literal = false;

	must(str_to_u64(str_of(key->min), &min) &&
	     str_to_u64(str_of(key->max), &max));
	r.min = min;
	r.max = max;
	*out = (struct secret){NULL};
	if (r.reference.n == 0)
		return true; /* "": not set */
	if (!secret_fetch(l->owner->conf.vault, &r, out, &literal, &reason)) {
		begin_error(l, where(l, setting), s, key->name);
		buf_add_str(l->error, buf_str(&reason));
		return false;
	}
	if (literal)
		conf_warn(&l->owner->conf, where(l, setting), key->name,
			  "a secret stands in the configuration itself; "
			  "better: env:, file:, cred: or exec:");
	return true;
}

static bool
is_string(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING;
}

/* A single value from its setting. */
static bool
take_single(struct load *l, const config_setting_t *setting,
	    const struct section *s, const struct key *key, void *field)
{
	int type = config_setting_type(setting);
	char number[24];
	struct str text;

	if (key->type == KEY_COUNT) {
		if (type != CONFIG_TYPE_INT)
			return wrong_type(l, setting, s, key);
		(void)snprintf(number, sizeof(number), "%d",
			       config_setting_get_int(setting));
		text = str_of(number);
	} else if (key->type == KEY_BOOL) {
		if (type != CONFIG_TYPE_BOOL)
			return wrong_type(l, setting, s, key);
		text = config_setting_get_bool(setting) ? STR("true")
							: STR("false");
	} else {
		if (type != CONFIG_TYPE_STRING)
			return wrong_type(l, setting, s, key);
		text = str_of(config_setting_get_string(setting));
	}
	return parse(l, where(l, setting), s, key, text, field);
}

/* Room for the elements; the fields point there. INDEXES are names until
 * check.c puts indexes in their place. */
static void *
make_list(struct load *l, const struct key *key, void *base, uint32_t n)
{
	size_t size = key->section ? key->section->size : sizeof(struct str);
	void *list = arena_zalloc(l->arena, MAX_OF(n, 1u) * size);

	memcpy((char *)base + key->n_at, &n, sizeof(n));
	memcpy(key_field(key, base), &list, sizeof(list));
	return list;
}

static bool
count_fine(struct load *l, struct conf_where at, const struct section *s,
	   const struct key *key, uint32_t n)
{
	uint64_t min = 0, max = 0;

	must(str_to_u64(str_of(key->min), &min) &&
	     str_to_u64(str_of(key->max), &max));
	if (n >= min && n <= max)
		return true;
	begin_error(l, at, s, key->name);
	if (n == 0)
		buf_add_cstr(l->error, "is required");
	else
		buf_printf(l->error, "must have %s to %s elements", key->min,
			   key->max);
	return false;
}

/* A list of texts. */
static bool
take_list(struct load *l, const config_setting_t *setting,
	  const struct section *s, const struct key *key, void *base)
{
	struct key element = value_element(key);
	int type = config_setting_type(setting);
	uint32_t n;
	char *at;

	if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY)
		return wrong_type(l, setting, s, key);
	n = (uint32_t)config_setting_length(setting);
	if (!count_fine(l, where(l, setting), s, key, n))
		return false;
	at = make_list(l, key, base, n);
	for (uint32_t i = 0; at && i < n; i++) {
		const config_setting_t *e = config_setting_get_elem(setting, i);

		if (!is_string(e))
			return wrong_type(l, e, s, key);
		if (!take_single(l, e, s, &element, at))
			return false;
		at += sizeof(struct str);
	}
	return at || fail(l, where(l, setting), s, key->name, "out of memory");
}

/* The default of a list of texts: "a,b". */
static bool
usual_list(struct load *l, const struct section *s, const struct key *key,
	   void *base)
{
	struct str rest = str_of(key->usual);
	struct key element = value_element(key);
	uint32_t n = rest.n > 0;
	char *at;

	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ',';
	at = make_list(l, key, base, n);
	for (uint32_t i = 0; at && i < n; i++) {
		struct str one = str_cut(&rest, ',');

		must(parse(l, where(l, NULL), s, &element, one, at));
		at += sizeof(struct str);
	}
	return at || fail(l, where(l, NULL), s, key->name, "out of memory");
}

static bool take_group(struct load *l, const config_setting_t *group,
		       const struct section *s, void *base);

/* A text in a list of secrets: the first key of a group. */
static bool
take_short(struct load *l, const config_setting_t *e, const struct section *s,
	   const struct key *key, void *base)
{
	struct key first = key->section->keys[0];

	first.name = key->name; /* what stands in the file */
	return take_group(l, e, key->section, base) &&
	       fetch_secret(l, e, s, &first, key_field(&first, base));
}

/* The elements of one list of groups, into `at`. */
static bool
take_elements(struct load *l, const config_setting_t *setting,
	      const struct section *s, const struct key *key, char **at)
{
	int n = config_setting_length(setting);

	for (int i = 0; i < n; i++) {
		const config_setting_t *e =
			config_setting_get_elem(setting, (unsigned)i);
		bool is_short = key->type == KEY_SECRETS && is_string(e);

		if (!is_short && config_setting_type(e) != CONFIG_TYPE_GROUP)
			return wrong_type(l, e, s, key);
		if (is_short ? !take_short(l, e, s, key, *at)
			     : !take_group(l, e, key->section, *at))
			return false;
		*at += key->section->size;
	}
	return true;
}

static bool
is_list(struct load *l, const config_setting_t *setting,
	const struct section *s, const struct key *key)
{
	int type = config_setting_type(setting);

	/* "( )" is a list, "[ ]" an array; both may be empty. */
	if (type == CONFIG_TYPE_LIST ||
	    (type == CONFIG_TYPE_ARRAY &&
	     (key->type == KEY_SECRETS || config_setting_length(setting) == 0)))
		return true;
	return wrong_type(l, setting, s, key);
}

static bool
take_groups(struct load *l, const config_setting_t *setting,
	    const struct section *s, const struct key *key, void *base)
{
	uint32_t n = 0;
	char *at;

	if (setting) {
		if (!is_list(l, setting, s, key))
			return false;
		n = (uint32_t)config_setting_length(setting);
	}
	if (!count_fine(l, where(l, setting), s, key, n))
		return false;
	at = make_list(l, key, base, n);
	if (at == NULL)
		return fail(l, where(l, setting), s, key->name,
			    "out of memory");
	return setting == NULL || take_elements(l, setting, s, key, &at);
}

/* The default of a directory below a prefix: "run_dir" lives in "run". */
static struct str
usual_text(const struct load *l, const struct key *key)
{
	if (key->type != KEY_DIR || l->owner->conf.prefix.n == 0)
		return str_of(key->usual);
	return strcmp(key->name, "state_dir") == 0 ? STR(CONF_PREFIX_STATE)
						   : STR(CONF_PREFIX_RUN);
}

/* A key that does not stand in the file; `group` is where it would. */
static bool
take_usual(struct load *l, const config_setting_t *group,
	   const struct section *s, const struct key *key, void *base)
{
	switch (key_shape(key)) {
	case SHAPE_SECRET: return true; /* zeroed */
	case SHAPE_TEXTS:
		return key->type != KEY_TEXTS || usual_list(l, s, key, base);
	case SHAPE_GROUP:
		return take_group(l, NULL, key->section, key_field(key, base));
	case SHAPE_LIST: return take_groups(l, NULL, s, key, base);
	case SHAPE_SINGLE: break;
	}
	if (key->usual == NULL)
		return fail(l, where(l, group), s, key->name, "is required");
	return parse(l, where(l, group), s, key, usual_text(l, key),
		     key_field(key, base));
}

static bool
take_key(struct load *l, const config_setting_t *setting,
	 const struct section *s, const struct key *key, void *base)
{
	switch (key_shape(key)) {
	case SHAPE_TEXTS: return take_list(l, setting, s, key, base);
	case SHAPE_SECRET:
		if (!is_string(setting))
			return wrong_type(l, setting, s, key);
		return fetch_secret(l, setting, s, key, key_field(key, base));
	case SHAPE_GROUP:
		if (config_setting_type(setting) != CONFIG_TYPE_GROUP)
			return wrong_type(l, setting, s, key);
		return take_group(l, setting, key->section,
				  key_field(key, base));
	case SHAPE_LIST: return take_groups(l, setting, s, key, base);
	case SHAPE_SINGLE: break;
	}
	return take_single(l, setting, s, key, key_field(key, base));
}

static bool
known_keys(struct load *l, const config_setting_t *group,
	   const struct section *s)
{
	int n = config_setting_length(group);

	for (int i = 0; i < n; i++) {
		const config_setting_t *e =
			config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(e);
		const struct key *near;

		if (section_key(s, str_of(name)))
			continue;
		begin_error(l, where(l, e), s, name);
		near = section_guess(s, str_of(name));
		if (near)
			buf_printf(l->error, "unknown key; did you mean '%s'?",
				   near->name);
		else
			buf_add_cstr(l->error, "unknown key");
		return false;
	}
	return true;
}

static config_setting_t *
member(const config_setting_t *group, const char *name)
{
	return group ? config_setting_get_member(group, name) : NULL;
}

/* All keys of a section; `group` NULL = all are left out. */
static bool
take_group(struct load *l, const config_setting_t *group,
	   const struct section *s, void *base)
{
	struct conf_where at = where(l, group);

	if (group && !known_keys(l, group, s))
		return false;
	if (s->where_at)
		memcpy((char *)base + s->where_at, &at, sizeof(at));
	for (unsigned i = 0; i < s->n; i++) {
		const struct key *key = &s->keys[i];
		const config_setting_t *e = member(group, key->name);

		if (e ? !take_key(l, e, s, key, base)
		      : !take_usual(l, group, s, key, base))
			return false;
	}
	return true;
}

/* The file that holds `key`; an error when two do and it is no list. */
static bool
holder(struct load *l, const struct key *key, const struct file **found)
{
	*found = NULL;
	for (unsigned i = 0; i < l->n_files; i++) {
		struct file *f = &l->files[i];
		const config_setting_t *e =
			member(config_root_setting(&f->config), key->name);

		if (e == NULL)
			continue;
		l->file = f;
		if (*found && key->type != KEY_LIST_OF)
			return fail(l, where(l, e), &conf_top, key->name,
				    "stands in another file already");
		if (*found == NULL)
			*found = f;
	}
	return true;
}

/* A list of groups at the top: the elements of all files, in order. */
static bool
take_joined(struct load *l, const struct key *key, struct conf *c)
{
	uint32_t n = 0;
	char *at;

	for (unsigned i = 0; i < l->n_files; i++) {
		const config_setting_t *e = member(
			config_root_setting(&l->files[i].config), key->name);

		l->file = &l->files[i];
		if (e && !is_list(l, e, &conf_top, key))
			return false;
		n += e ? (uint32_t)config_setting_length(e) : 0;
	}
	l->file = &l->files[0];
	if (!count_fine(l, where(l, NULL), &conf_top, key, n))
		return false;
	at = make_list(l, key, c, n);
	if (at == NULL)
		return fail(l, where(l, NULL), &conf_top, key->name,
			    "out of memory");
	for (unsigned i = 0; i < l->n_files; i++) {
		const config_setting_t *e = member(
			config_root_setting(&l->files[i].config), key->name);

		l->file = &l->files[i];
		if (e && !take_elements(l, e, &conf_top, key, &at))
			return false;
	}
	return true;
}

static bool
take_top(struct load *l, struct conf *c)
{
	for (unsigned i = 0; i < l->n_files; i++) {
		l->file = &l->files[i];
		if (!known_keys(l, config_root_setting(&l->files[i].config),
				&conf_top))
			return false;
	}
	for (unsigned i = 0; i < conf_top.n; i++) {
		const struct key *key = &conf_top.keys[i];
		const struct file *f;
		bool fine;

		if (!holder(l, key, &f))
			return false;
		l->file = f ? f : &l->files[0];
		if (key->type == KEY_LIST_OF)
			fine = take_joined(l, key, c);
		else if (f)
			fine = take_key(l,
					member(config_root_setting(&f->config),
					       key->name),
					&conf_top, key, c);
		else
			fine = take_usual(l, NULL, &conf_top, key, c);
		if (!fine)
			return false;
	}
	l->file = &l->files[0];
	return true;
}

/* Lets libconfig read the text that was put together. */
static bool
parse_file(struct load *l, struct file *f)
{
	struct conf_where at;

	config_set_auto_convert(&f->config, CONFIG_FALSE);
	if (config_read_string(&f->config, f->source.text.p))
		return true;
	at = source_where(&f->source, (unsigned)config_error_line(&f->config));
	buf_reset(l->error);
	buf_printf(l->error, "%s:%u: %s", at.file, at.line,
		   config_error_text(&f->config));
	return false;
}

static struct file *
add_file(struct load *l)
{
	struct file *f = &l->files[l->n_files];

	if (l->n_files == FILES_MAX)
		return NULL;
	source_init(&f->source, l->arena);
	config_init(&f->config);
	l->n_files++;
	return f;
}

/* The files of conf.d, in the order of their names. */
static bool
add_drop_ins(struct load *l)
{
	CLEANUP(buf_free) struct buf pattern = BUF_INIT;
	CLEANUP(globfree) glob_t found = {0};
	int e;

	buf_printf(&pattern, "%.*s/" DROP_INS "%c", STR_ARG(l->folder), 0);
	if (pattern.failed)
		return false;
	e = glob(pattern.p, 0, NULL, &found);
	for (size_t i = 0; e == 0 && i < found.gl_pathc; i++) {
		struct file *f = add_file(l);

		if (f == NULL) {
			buf_printf(l->error, "%s:0: more than %d files",
				   found.gl_pathv[i], FILES_MAX);
			return false;
		}
		if (!source_read(&f->source, found.gl_pathv[i], l->error) ||
		    !parse_file(l, f))
			return false;
	}
	return e == 0 || e == GLOB_NOMATCH;
}

/* `path` made absolute; the file itself need not exist. */
static struct str
absolute(struct arena *arena, const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return arena_dup(arena, str_of(path));
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return STR_NONE;
	return arena_printf(arena, "%s/%s", cwd, path);
}

static bool
begin(struct load *l, const char *path, const char *prefix)
{
	struct arena arena;
	struct conf *c;

	arena_init(&arena);
	l->owner = arena_zalloc(&arena, sizeof(*l->owner));
	if (l->owner == NULL)
		return false;
	l->owner->arena = arena;
	l->arena = &l->owner->arena;
	c = &l->owner->conf;
	c->arena = l->arena;
	c->path = absolute(l->arena, path);
	if (prefix && *prefix)
		c->prefix = absolute(l->arena, prefix);
	c->vault = secret_vault_new();
	return c->vault && c->path.p && (!prefix || !*prefix || c->prefix.p);
}

static bool
out_of_memory(struct buf *error)
{
	if (error->n == 0)
		buf_add_cstr(error, "configuration: out of memory");
	return false;
}

/* The main file's text is there; everything after it. */
static bool
build(struct load *l)
{
	struct conf *c = &l->owner->conf;

	return parse_file(l, &l->files[0]) &&
	       (l->folder.n == 0 || add_drop_ins(l)) && take_top(l, c) &&
	       conf_paths(c, l->folder, l->error) && conf_rules(c, l->error);
}

static bool
finish(struct load *l, bool fine, const struct conf **out)
{
	struct buf *error = l->error;

	for (unsigned i = 0; i < l->n_files; i++) {
		source_free(&l->files[i].source);
		config_destroy(&l->files[i].config);
	}
	if (fine)
		*out = &l->owner->conf;
	else if (l->owner)
		conf_free(&l->owner->conf);
	free(l);
	return fine || out_of_memory(error);
}

bool
conf_load(const char *path, const char *prefix, const struct conf **out,
	  struct buf *error)
{
	struct load *l = calloc(1, sizeof(*l));
	size_t slash = 1; /* the root keeps its slash */
	struct str full;
	bool fine;

	*out = NULL;
	if (l == NULL)
		return out_of_memory(error);
	l->error = error;
	fine = begin(l, path, prefix);
	if (fine) {
		full = l->owner->conf.path;
		for (size_t i = 0; i < full.n; i++)
			if (full.p[i] == '/')
				slash = MAX_OF(i, (size_t)1);
		l->folder = arena_dup(l->arena, str_make(full.p, slash));
		fine = l->folder.p && add_file(l) &&
		       source_read(&l->files[0].source, path, error) &&
		       build(l);
	}
	return finish(l, fine, out);
}

bool
conf_load_text(struct str text, const char *name, const char *prefix,
	       const struct conf **out, struct buf *error)
{
	struct load *l = calloc(1, sizeof(*l));
	bool fine;

	*out = NULL;
	if (l == NULL)
		return out_of_memory(error);
	l->error = error;
	fine = begin(l, name, prefix) && add_file(l) &&
	       source_consume(&l->files[0].source, text, name, error) &&
	       build(l);
	return finish(l, fine, out);
}

void
conf_free(const struct conf *c)
{
	struct arena arena;

	if (c == NULL)
		return;
	secret_vault_free(c->vault);
	arena = *c->arena; /* it lies in its own memory */
	arena_free(&arena);
}
