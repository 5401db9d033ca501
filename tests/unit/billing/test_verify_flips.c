/*
 * Damage at rest: bytes are flipped all over the file, and each flip is found,
 * or has changed nothing that can be read. A flip in a page that LMDB has
 * freed, or in the unused middle of one, is of the second kind: then every row
 * of every table is as before, byte for byte.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "billing/pages.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

/* What a reader makes of the file. */
enum outcome {
	SAME,	 /* balanced, all rows as before */
	FOUND,	 /* reported */
	SILENT,	 /* balanced, but rows differ: the one that must not be */
	CRASHED, /* before the structure was checked */
	HUNG,
	OUTCOMES
};

static void
add(uint8_t digest[SHA256_BYTES], const void *p, size_t n)
{
	uint8_t text[2 * SHA256_BYTES];

	memcpy(text, digest, SHA256_BYTES);
	sha256(p, n, text + SHA256_BYTES);
	sha256(text, sizeof(text), digest);
}

/* All rows of all tables. */
static bool
content(struct ledger *l, uint8_t digest[SHA256_BYTES])
{
	uint8_t idem[LEDGER_IDEM_KEY];
	struct str value;
	enum store s = ledger_begin(l);

	memset(digest, 0, SHA256_BYTES);
	for (int t = 0; t < TABLE_IDEM && s == STORE_OK; t++) {
		uint64_t key = 0;

		s = ledger_seek(l, (enum ledger_table)t, &key, &value);
		for (; s == STORE_OK;
		     s = ledger_next(l, (enum ledger_table)t, &key, &value)) {
			add(digest, &key, sizeof(key));
			add(digest, value.p, value.n);
		}
		s = s == STORE_NONE ? STORE_OK : s;
	}
	if (s == STORE_OK)
		s = ledger_idem_each(l, true, idem, &value);
	for (; s == STORE_OK; s = ledger_idem_each(l, false, idem, &value)) {
		add(digest, idem, sizeof(idem));
		add(digest, value.p, value.n);
	}
	ledger_end(l);
	return s == STORE_NONE;
}

static enum outcome
look(const char *dir, const uint8_t before[SHA256_BYTES])
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	uint8_t now[SHA256_BYTES];
	enum outcome o = FOUND;
	struct ledger *l;

	if (!pages_check(dir, &line))
		return FOUND;
	if (ledger_open(&l, dir, LEDGER_READ, 0, &line) == STORE_OK &&
	    verify_ledger(l, true, &line) == VERIFY_BALANCED)
		o = content(l, now) && memcmp(now, before, sizeof(now)) == 0
			    ? SAME
			    : SILENT;
	ledger_close(l);
	return o;
}

static enum outcome
look_in_child(const char *dir, const uint8_t before[SHA256_BYTES])
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)alarm(20);
		(void)close(STDERR_FILENO);
		_exit((int)look(dir, before));
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? HUNG : CRASHED;
	return (enum outcome)WEXITSTATUS(status);
}

struct file {
	struct sample s;
	uint8_t before[SHA256_BYTES];
	int fd;
	off_t size; /* in use */
};

static void
file_open(struct file *f)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct entry e = sample_money(KIND_TOPUP, 1, -1);
	struct ledger *l;
	char path[128];

	sample_open(&f->s);
	/* Some more pages, a seal, freed pages. */
	for (unsigned i = 0; i < 40; i++)
		sample_put(&f->s, &e, (i + 2) * 7200 * 1000);
	post_free(&f->s.post);
	ledger_close(f->s.ledger);
	f->s.ledger = NULL;
	must(ledger_open(&l, f->s.f.dir, LEDGER_READ, 0, &why) == STORE_OK);
	must(content(l, f->before));
	f->size = (off_t)ledger_room(l).used;
	ledger_close(l);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", f->s.f.dir);
	f->fd = open(path, O_RDWR | O_CLOEXEC);
	must(f->fd >= 0);
}

static void
flip(struct file *f, off_t at, unsigned char bits)
{
	unsigned char c;

	must(pread(f->fd, &c, 1, at) == 1);
	c ^= bits;
	must(pwrite(f->fd, &c, 1, at) == 1);
}

/* `n` flips: each 512 bytes in turn, at an offset and with a bit (or all of
 * them) that a counter makes. */
TEST(each_flipped_byte_is_found_or_was_slack)
{
	const char *wanted = getenv("TOLLGATE_FLIPS");
	long n = wanted ? strtol(wanted, NULL, 10) : 600;
	unsigned count[OUTCOMES] = {0};
	uint64_t random = 88172645463325252ull;
	struct file f;

	file_open(&f);
	CHECK_INT(look_in_child(f.s.f.dir, f.before), SAME);
	for (long i = 0; i < n; i++) {
		off_t block = i % (f.size / 512), at;
		unsigned char bits;
		enum outcome o;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* Heads and row tables are small: every third hits there. */
		at = block * 512 + (off_t)((random >> 20) % (i % 3 ? 512 : 48));
		bits = 0xff;
		if (random & 1)
			bits = (unsigned char)(1u << (random >> 1 & 7));
		flip(&f, at, bits);
		o = look_in_child(f.s.f.dir, f.before);
		flip(&f, at, bits);
		count[o]++;
		if (o > FOUND)
			printf("# byte %lld of page %lld, bits %02x: %d\n",
			       (long long)at % 4096, (long long)at / 4096, bits,
			       o);
	}
	printf("# %ld flips: %u found, %u in slack, %u silent, %u crashes, "
	       "%u hung\n",
	       n, count[FOUND], count[SAME], count[SILENT], count[CRASHED],
	       count[HUNG]);
	CHECK_INT(count[SILENT], 0);
	CHECK_INT(count[CRASHED], 0);
	CHECK_INT(count[HUNG], 0);
	CHECK(count[FOUND] > 0);
	(void)close(f.fd);
	sample_close(&f.s);
}

/* A sector of zeroes, of ones, or of what stood in another. */
TEST(a_torn_page_is_found_or_was_slack)
{
	unsigned count[OUTCOMES] = {0};
	unsigned char was[512], is[512];
	struct file f;

	file_open(&f);
	for (off_t at = 0; at + 1024 <= f.size; at += 512) {
		must(pread(f.fd, was, 512, at) == 512);
		if (at / 512 % 3 == 2)
			must(pread(f.fd, is, 512, at + 512) == 512);
		else
			memset(is, at / 512 % 3 ? 0xff : 0, sizeof(is));
		must(pwrite(f.fd, is, 512, at) == 512);
		count[look_in_child(f.s.f.dir, f.before)]++;
		must(pwrite(f.fd, was, 512, at) == 512);
	}
	printf("# %u found, %u in slack\n", count[FOUND], count[SAME]);
	CHECK_INT(count[SILENT], 0);
	CHECK_INT(count[CRASHED], 0);
	CHECK_INT(count[HUNG], 0);
	CHECK_INT(look_in_child(f.s.f.dir, f.before), SAME);
	(void)close(f.fd);
	sample_close(&f.s);
}

TEST(a_cut_file_is_found)
{
	struct file f;

	file_open(&f);
	CHECK_INT(ftruncate(f.fd, f.size - 1), 0);
	CHECK_INT(look_in_child(f.s.f.dir, f.before), FOUND);
	CHECK_INT(ftruncate(f.fd, 4096), 0);
	CHECK_INT(look_in_child(f.s.f.dir, f.before), FOUND);
	CHECK_INT(ftruncate(f.fd, 0), 0);
	CHECK_INT(look_in_child(f.s.f.dir, f.before), FOUND);
	(void)close(f.fd);
	sample_close(&f.s);
}

int
main(void)
{
	RUN(each_flipped_byte_is_found_or_was_slack);
	RUN(a_torn_page_is_found_or_was_slack);
	RUN(a_cut_file_is_found);
	return tap_done();
}
