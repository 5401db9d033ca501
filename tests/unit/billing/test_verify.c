/* The offline check finds whatever differs by as little as a bit. */
#include <fcntl.h>
#include <sys/stat.h>

#include "billing/verify_base.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

static enum verify_result
verify(struct sample *s, struct buf *line)
{
	buf_reset(line);
	return verify_ledger(s->ledger, true, line);
}

/* Where the ledger's file is mapped in this process. */
static const char *
map_base(const char *dir)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	const char *base = NULL;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, dir) && strstr(line, "data.mdb")) {
			base = (const char *)(uintptr_t)strtoull(line, NULL,
								 16);
			break;
		}
	}
	if (maps)
		(void)fclose(maps);
	return base;
}

static void
flip(int fd, off_t at)
{
	unsigned char c;

	must(pread(fd, &c, 1, at) == 1);
	c ^= 0x10;
	must(pwrite(fd, &c, 1, at) == 1);
}

/* Flips each byte of the value and expects it to be found. */
static unsigned
missed_in(struct sample *s, int fd, struct str value, off_t at)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	unsigned missed = 0;

	for (size_t i = 0; i < value.n; i++) {
		flip(fd, at + (off_t)i);
		if (verify(s, &line) == VERIFY_BALANCED) {
			printf("# byte %zu of %zu at %lld\n", i, value.n,
			       (long long)at);
			missed++;
		}
		flip(fd, at + (off_t)i);
	}
	return missed;
}

static unsigned
missed_in_table(struct sample *s, int fd, enum ledger_table t)
{
	const char *base = map_base(s->f.dir);
	struct str values[16];
	uint64_t key = 0;
	unsigned n = 0, missed = 0;
	enum store st;

	must(base && ledger_begin(s->ledger) == STORE_OK);
	st = ledger_seek(s->ledger, t, &key, &values[0]);
	while (st == STORE_OK && ++n < ARRAY_LEN(values))
		st = ledger_next(s->ledger, t, &key, &values[n]);
	CHECK(n > 0);
	ledger_end(s->ledger);
	for (unsigned i = 0; i < n; i++)
		missed += missed_in(s, fd, values[i], values[i].p - base);
	return missed;
}

TEST(a_whole_ledger_is_balanced)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	struct sample s;

	sample_open(&s);
	sample_read(&s);
	CHECK_INT(verify(&s, &line), VERIFY_BALANCED);
	CHECK(str_eq(buf_str(&line),
		     STR("balanced: 9 entries, sum 0, chain ok")));
	sample_close(&s);
}

/* Whatever the walk looked at in between. */
TEST(entries_that_come_meanwhile_are_checked_as_well)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	struct fixture f;
	struct ledger *l;
	struct verify v;

	fix_open(&f);
	fix_start(&f);
	CHECK_INT(fix_account(&f, "acme", 1000).result, 0);
	for (unsigned before = 1; before < 4; before++) {
		char idem[8] = {(char)('a' + before)};

		must(ledger_open(&l, f.dir, LEDGER_READ, 0, &line) == STORE_OK);
		must(verify_open(&v, l, NULL, &line));
		for (unsigned i = 0; i < before; i++) {
			idem[1] = (char)('a' + i);
			CHECK_INT(fix_topup(&f, "acme", 10, idem).result, 0);
		}
		CHECK_INT(verify_entries(&v), VERIFY_BALANCED);
		CHECK(verify_tables(&v));
		verify_close(&v);
		ledger_close(l);
	}
	if (line.n > 0)
		printf("# %.*s\n", STR_ARG(buf_str(&line)));
	fix_close(&f);
}

TEST(an_empty_ledger_is_balanced)
{
	struct fixture f;

	fix_open(&f);
	CHECK_INT(fix_verify(&f, true), VERIFY_BALANCED);
	fix_close(&f);
}

TEST(every_flipped_byte_of_every_row_is_found)
{
	struct entry e = sample_money(KIND_TOPUP, 1, -1);
	struct sample s;
	char path[128];
	int fd;

	sample_open(&s);
	sample_put(&s, &e, 24 * 3600 * 1000);
	sample_read(&s);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", s.f.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	for (int t = TABLE_META; t < TABLE_IDEM; t++)
		if (t != TABLE_BASE)
			CHECK_INT(missed_in_table(&s, fd, (enum ledger_table)t),
				  0);
	(void)close(fd);
	sample_close(&s);
}

/* The line that verify prints after `spoil` has changed something. */
static void
expect(void (*spoil)(struct sample *s), const char *text)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	struct sample s;

	sample_open(&s);
	spoil(&s);
	sample_read(&s);
	CHECK_INT(verify(&s, &line), VERIFY_DIFFERS);
	buf_add_char(&line, '\0');
	CHECK_STR(line.p, text);
	sample_close(&s);
}

static void
charge_more_than_held(struct sample *s)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.hold_nano = e.charge_nano - 1;
	sample_put(s, &e, 100000);
}

static void
charge_another_price(struct sample *s)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.charge_nano--;
	e.absorbed_nano++;
	sample_put(s, &e, 100000);
}

/* The client left after its first tokens: its entry says which. */
static void
charge_for_nothing(struct sample *s)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.reason = REASON_CLIENT_GONE;
	e.rule = RULE_LEFT;
	e.flags = NOTE_STREAM | NOTE_PARTIAL | NOTE_ESTIMATED;
	e.usage_source = USAGE_ESTIMATED;
	e.tokens = (struct token_counts){0};
	sample_put(s, &e, 100000);
}

static void
charge_by_no_rule(struct sample *s)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.rule = RULE_NONE;
	sample_put(s, &e, 100000);
}

static void
post_a_slot_twice(struct sample *s)
{
	struct entry e = sample_request(s, 5, 2, 1);

	sample_put(s, &e, 100000);
}

static void
reverse_twice(struct sample *s)
{
	struct str value;
	struct entry e;

	must(ledger_begin(s->ledger) == STORE_OK);
	must(ledger_get(s->ledger, TABLE_ENTRY, 7, &value) == STORE_OK);
	memcpy(&e, value.p, sizeof(e));
	ledger_end(s->ledger);
	sample_put(s, &e, 100000);
}

static void
name_nobody(struct sample *s)
{
	struct entry e = sample_money(KIND_TOPUP, 55, -1);

	sample_put(s, &e, 100000);
}

static void
lose_an_entry(struct sample *s)
{
	must(post_begin(&s->post) == STORE_OK);
	s->post.meta.next_seq++;
	must(post_commit(&s->post) == STORE_OK);
}

static void
give_money_for_nothing(struct sample *s)
{
	struct balance_record b = s->post.balance[1];

	b.balance++;
	must(ledger_begin(s->ledger) == STORE_OK);
	must(ledger_put(s->ledger, TABLE_BALANCE, 1,
			str_make((const char *)&b, sizeof(b)),
			PUT_ANY) == STORE_OK);
	must(ledger_commit(s->ledger) == STORE_OK);
}

static struct entry
take_entry(struct sample *s, uint64_t seq)
{
	struct str value;
	struct entry e;

	must(ledger_get(s->ledger, TABLE_ENTRY, seq, &value) == STORE_OK);
	memcpy(&e, value.p, sizeof(e));
	must(ledger_delete(s->ledger, TABLE_ENTRY, seq) == STORE_OK);
	return e;
}

static void
drop_one(struct sample *s)
{
	must(ledger_begin(s->ledger) == STORE_OK);
	(void)take_entry(s, 4);
	must(ledger_commit(s->ledger) == STORE_OK);
}

static void
drop_the_last(struct sample *s)
{
	must(ledger_begin(s->ledger) == STORE_OK);
	(void)take_entry(s, SAMPLE_ENTRIES);
	must(ledger_commit(s->ledger) == STORE_OK);
}

/* And the totals say so. */
static void
hide_the_last(struct sample *s)
{
	must(post_begin(&s->post) == STORE_OK);
	(void)take_entry(s, SAMPLE_ENTRIES);
	s->post.meta.next_seq--;
	must(post_commit(&s->post) == STORE_OK);
}

static void
swap_two(struct sample *s)
{
	struct entry a, b;

	must(ledger_begin(s->ledger) == STORE_OK);
	a = take_entry(s, 4);
	b = take_entry(s, 5);
	must(ledger_put(s->ledger, TABLE_ENTRY, 5,
			str_make((const char *)&a, sizeof(a)),
			PUT_ANY) == STORE_OK);
	must(ledger_put(s->ledger, TABLE_ENTRY, 4,
			str_make((const char *)&b, sizeof(b)),
			PUT_ANY) == STORE_OK);
	must(ledger_commit(s->ledger) == STORE_OK);
}

TEST(the_first_wrong_entry_is_named)
{
	expect(drop_one, "entry 4: it is missing");
	expect(drop_the_last, "entry 9: it is missing");
	expect(hide_the_last, "entry 8: it is not the last one of the totals");
	expect(swap_two, "entry 4: its chain does not follow from the entry "
			 "before");
	expect(charge_more_than_held,
	       "entry 10: more is charged than was held");
	expect(charge_another_price,
	       "entry 10: its charge is not the price of its tokens");
	expect(charge_for_nothing,
	       "entry 10: its charge is not the price of its tokens");
	expect(charge_by_no_rule, "entry 10: no rule says who pays it");
	expect(post_a_slot_twice, "entry 10: it is posted twice");
	expect(reverse_twice, "entry 10: it is reversed twice");
	expect(name_nobody, "entry 10: there is no such account");
	expect(lose_an_entry, "entry 10: it is missing");
	expect(give_money_for_nothing, "account 1: the balance table differs "
				       "from the entries");
}

/* In a child, because a damaged tree can lead LMDB anywhere. */
static int
verify_in_child(const char *dir)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct buf line = BUF_INIT;
		struct ledger *l;
		enum verify_result r = VERIFY_DAMAGED;

		(void)alarm(20);
		(void)close(STDERR_FILENO);
		if (ledger_open(&l, dir, LEDGER_READ, 0, &line) == STORE_OK)
			r = verify_ledger(l, false, &line);
		_exit((int)r);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(a_damaged_page_never_hangs_the_check)
{
	struct sample s;
	char path[128];
	int fd, hung = 0;
	struct ledger_room room;

	sample_open(&s);
	sample_read(&s);
	room = ledger_room(s.ledger);
	ledger_close(s.ledger);
	s.ledger = NULL;
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", s.f.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* Heads and node offsets of the pages; a prime step for the rest. */
	for (off_t at = 0; at < (off_t)room.used; at += 4096 / 3 + 2) {
		for (off_t i = 0; i < 3; i++)
			flip(fd, at + i * 7);
		hung += verify_in_child(s.f.dir) == -SIGALRM;
		for (off_t i = 0; i < 3; i++)
			flip(fd, at + i * 7);
	}
	CHECK_INT(hung, 0);
	CHECK_INT(verify_in_child(s.f.dir), VERIFY_BALANCED);
	(void)close(fd);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_whole_ledger_is_balanced);
	RUN(entries_that_come_meanwhile_are_checked_as_well);
	RUN(an_empty_ledger_is_balanced);
	RUN(every_flipped_byte_of_every_row_is_found);
	RUN(the_first_wrong_entry_is_named);
	RUN(a_damaged_page_never_hangs_the_check);
	return tap_done();
}
