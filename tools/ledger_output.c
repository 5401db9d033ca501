/*
 * What a report writes: standard output, or a file that appears when it is
 * whole, with its digest and what it holds beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "tools/ledger_tool.h"

bool
output_open(struct output *out, const char *path)
{
	out->fd = STDOUT_FILENO;
	out->path = path;
	out->side[0] = '\0';
	if (!path)
		return true;
	if (snprintf(out->side, sizeof(out->side), "%s.part", path) >=
	    (int)sizeof(out->side))
		return options_complain("the path is too long", path);
	out->fd = open(out->side, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out->fd < 0) {
		(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", out->side,
			      strerror(errno));
		return false;
	}
	return true;
}

static bool
write_text(const char *path, const char *suffix, struct str text)
{
	char name[PATH_MAX];
	bool ok;
	FILE *f;

	if (snprintf(name, sizeof(name), "%s%s", path, suffix) >=
	    (int)sizeof(name))
		return false;
	f = fopen(name, "we");
	if (!f)
		return false;
	ok = fwrite(text.p, 1, text.n, f) == text.n;
	return fclose(f) == 0 && ok;
}

static bool
digest_of(int fd, uint8_t digest[SHA256_BYTES])
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return false;
	if (st.st_size == 0) {
		sha256("", 0, digest);
		return true;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	sha256(p, (size_t)st.st_size, digest);
	return munmap(p, (size_t)st.st_size) == 0;
}

static void
hex(struct buf *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%02x", p[i]);
}

static bool
write_digest(const char *path, int fd)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	uint8_t digest[SHA256_BYTES];
	const char *name = strrchr(path, '/');

	if (!digest_of(fd, digest))
		return false;
	hex(&line, digest, sizeof(digest));
	buf_printf(&line, "  %s\n", name ? name + 1 : path);
	return !line.failed && write_text(path, ".sha256", buf_str(&line));
}

static void
put_time(struct json_out *j, const char *name, uint64_t ms)
{
	char text[TIME_TEXT];

	json_name(j, name);
	if (ms == 0)
		json_put_null(j);
	else
		json_put_str(
			j, str_make(text, time_text(ms * NS_PER_MS, 3, text)));
}

static void
put_money(struct json_out *j, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];

	json_name(j, name);
	json_put_str(j, str_make(text, money_text(money_nano(nano), text)));
}

static void
put_u64(struct json_out *j, const char *name, uint64_t v)
{
	json_name(j, name);
	json_put_u64(j, v);
}

static bool
write_meta(const struct options *o, const struct report_sum *sum)
{
	const struct command *c = o->command;
	const char *path = o->value[OPTION_OUTPUT];
	CLEANUP(buf_free) struct buf text = BUF_INIT, uuid = BUF_INIT;
	struct json_out j;

	hex(&uuid, sum->uuid, sizeof(sum->uuid));
	json_out_init(&j, &text);
	json_open(&j, '{');
	json_name(&j, "report");
	json_put_str(&j, str_of(c->word[1] ? c->word[1] : c->word[0]));
	put_u64(&j, "schema", 1);
	put_time(&j, "from", o->filter.from_ms);
	put_time(&j, "to", o->filter.to_ms);
	json_name(&j, "zone");
	json_put_str(&j, o->value[OPTION_ZONE] ? str_of(o->value[OPTION_ZONE])
					       : STR("UTC"));
	put_u64(&j, "rows", sum->rows);
	put_money(&j, "charge_usd", sum->charge_nano);
	put_money(&j, "upstream_cost_usd", sum->upstream_nano);
	put_u64(&j, "input_tokens", sum->input_tokens);
	put_u64(&j, "output_tokens", sum->output_tokens);
	json_name(&j, "ledger");
	json_put_str(&j, buf_str(&uuid));
	put_u64(&j, "first_entry", sum->first_seq);
	put_u64(&j, "last_entry", sum->last_seq);
	json_close(&j, '}');
	buf_add_char(&text, '\n');
	return !text.failed && write_text(path, ".meta.json", buf_str(&text));
}

bool
output_close(struct output *out, const struct options *o,
	     const struct report_sum *sum, bool whole)
{
	bool ok = whole;

	if (out->fd == STDOUT_FILENO)
		return ok;
	ok = ok && fsync(out->fd) == 0 && write_digest(out->path, out->fd) &&
	     write_meta(o, sum) && rename(out->side, out->path) == 0;
	if (!ok && whole)
		(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", out->path,
			      strerror(errno));
	if (!ok)
		(void)unlink(out->side);
	(void)close(out->fd);
	return ok;
}
