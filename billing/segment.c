/* Segments: months, and the check of a file. */
#include "billing/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "billing/base.h"
#include "billing/seal.h"
#include "billing/usage.h"

#define DAY_MS (24ull * 3600 * 1000)
#define BATCH  64u

/* ---- months ---- */

bool
segment_month_parse(struct str text, uint32_t *month)
{
	uint64_t year, number;

	if (text.n != 7 || text.p[4] != '-' ||
	    !str_to_u64(str_make(text.p, 4), &year) ||
	    !str_to_u64(str_make(text.p + 5, 2), &number) || year < 1970 ||
	    number < 1 || number > 12)
		return false;
	*month = (uint32_t)(year * 12 + number - 1);
	return true;
}

void
segment_month_text(uint32_t month, char out[MONTH_TEXT])
{
	(void)snprintf(out, MONTH_TEXT, "%04u-%02u", month / 12 % 10000,
		       month % 12 + 1);
}

uint32_t
segment_month(uint64_t wall_ms)
{
	char text[TIME_TEXT];
	uint32_t month = 0;

	(void)time_text(wall_ms * NS_PER_MS, 0, text);
	if (!segment_month_parse(str_make(text, 7), &month))
		return 0;
	return month;
}

/* ---- what a month is ---- */

struct months {
	struct segment_head *head;
	struct seal_record last;
	uint32_t month;	  /* wanted */
	uint32_t current; /* of the seal at hand */
	bool found;
};

/* A day belongs to its month, but never to an earlier one than the day
 * before: so a month is one run of days, whatever the clock did. */
static void
take_seal(struct months *w, const struct seal_record *r)
{
	struct segment_head *h = w->head;

	w->current = MAX_OF(w->current, segment_month(r->day * DAY_MS));
	if (w->current < w->month) {
		h->debits_before = r->debits;
		h->credits_before = r->credits;
		memcpy(h->chain_before, r->chain, ENTRY_CHAIN);
	}
	if (w->current != w->month)
		return;
	if (!w->found)
		h->first_seq = r->first_seq;
	w->found = true;
	w->last = *r;
}

static enum store
walk_seals(struct months *w, struct ledger *l)
{
	struct seal_record row;
	struct str value;
	uint64_t number = 1;
	enum store s = ledger_seek(l, TABLE_SEAL, &number, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_SEAL, &number, &value)) {
		if (!record_read(value, &row, sizeof(row)))
			return STORE_DAMAGED;
		take_seal(w, &row);
	}
	return s == STORE_NONE ? STORE_OK : s;
}

bool
segment_range(struct ledger *l, const struct meta_record *m, uint32_t month,
	      struct segment_head *head, struct buf *why)
{
	struct months w = {.head = head, .month = month};
	char text[MONTH_TEXT];

	segment_month_text(month, text);
	*head = (struct segment_head){
		.month = month,
		.entry_size = sizeof(struct entry),
		.made_ms = clock_wall_ns() / NS_PER_MS,
	};
	memcpy(head->magic, SEGMENT_MAGIC, sizeof(head->magic));
	memcpy(head->uuid, m->uuid, LEDGER_UUID);
	if (month >= segment_month(head->made_ms) ||
	    (m->next_seq - 1 > m->sealed_seq &&
	     segment_month(m->open_day * DAY_MS) <= month)) {
		buf_printf(why, "%s is not over: its last day is not sealed",
			   text);
		return false;
	}
	if (walk_seals(&w, l) != STORE_OK) {
		buf_add_cstr(why, "the seals cannot be read");
		return false;
	}
	if (!w.found) {
		buf_printf(why, "%s has no entries", text);
		return false;
	}
	head->last_seq = w.last.last_seq;
	head->debits_after = w.last.debits;
	head->credits_after = w.last.credits;
	memcpy(head->chain_after, w.last.chain, ENTRY_CHAIN);
	memcpy(head->seal_root, w.last.root, SHA256_BYTES);
	return true;
}

/* ---- a file ---- */

static bool
shape_fits(const struct segment *s)
{
	const struct segment_head *h = s->head;
	uint32_t crc = crc32c(0, h, offsetof(struct segment_head, crc));
	uint64_t n = h->last_seq - h->first_seq + 1;

	return memcmp(h->magic, SEGMENT_MAGIC, sizeof(h->magic)) == 0 &&
	       crc == h->crc && h->entry_size == sizeof(struct entry) &&
	       h->first_seq >= 1 && h->last_seq >= h->first_seq &&
	       n <= s->size / sizeof(struct entry) &&
	       h->rows_size % sizeof(struct entry) == 0 &&
	       h->rows_size == s->size - sizeof(*h) - n * sizeof(struct entry);
}

bool
segment_open(struct segment *s, const char *path, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p = MAP_FAILED;

	*s = (struct segment){0};
	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	s->size = (size_t)st.st_size;
	if (s->size >= sizeof(*s->head))
		p = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED) {
		s->head = (const void *)p;
		if (shape_fits(s)) {
			s->rows = str_make(p + sizeof(*s->head),
					   (size_t)s->head->rows_size);
			s->entries = (const void *)(s->rows.p + s->rows.n);
			return true;
		}
	}
	buf_printf(why, "%s is no segment, or not a whole one", path);
	segment_close(s);
	return false;
}

void
segment_close(struct segment *s)
{
	if (s->head)
		(void)munmap((void *)(uintptr_t)s->head, s->size);
	*s = (struct segment){0};
}

static bool
wrong(const struct segment *s, uint64_t i, const char *what, struct buf *why)
{
	buf_printf(why, "entry %" PRIu64 ": %s", s->head->first_seq + i, what);
	return false;
}

/* The sums that the entries move, on top of those before. */
static bool
add_sums(const struct entry *e, int64_t *debits, int64_t *credits)
{
	uint32_t counters[ENTRY_MOVES];
	int64_t loss = entry_amount(e);

	if (loss == INT64_MIN)
		return false;
	for (unsigned n = entry_counters(e, counters); n; n--)
		if (__builtin_add_overflow(loss > 0 ? *debits : *credits,
					   loss > 0 ? loss : -loss,
					   loss > 0 ? debits : credits))
			return false;
	return true;
}

bool
segment_check(const struct segment *s, struct buf *why)
{
	const struct segment_head *h = s->head;
	const uint8_t *previous = h->chain_before;
	int64_t debits = h->debits_before, credits = h->credits_before;
	uint64_t n = h->last_seq - h->first_seq + 1;
	uint8_t digest[SHA256_BYTES];
	enum entry_fault fault;

	sha256(s->rows.p, s->rows.n, digest);
	if (memcmp(digest, h->rows_digest, sizeof(digest)) != 0) {
		buf_add_cstr(why, "its rows are not those of its head");
		return false;
	}
	for (uint64_t at = 0; at < n; at += BATCH) {
		const struct entry *e = s->entries + at;
		unsigned some = (unsigned)MIN_OF(n - at, (uint64_t)BATCH);
		unsigned good = entry_check_many(e, some, previous, &fault);

		if (good < some)
			return wrong(s, at + good, entry_fault_text(fault),
				     why);
		for (unsigned i = 0; i < some; i++)
			if (e[i].seq != h->first_seq + at + i ||
			    !add_sums(&e[i], &debits, &credits))
				return wrong(s, at + i, "it does not follow",
					     why);
		previous = e[some - 1].chain;
	}
	if (memcmp(previous, h->chain_after, ENTRY_CHAIN) == 0 &&
	    debits == h->debits_after && credits == h->credits_after)
		return true;
	buf_add_cstr(why, "its head is not of its entries");
	return false;
}

bool
segment_follows(const struct segment *before, const struct segment *next,
		struct buf *why)
{
	const struct segment_head *a = before->head, *b = next->head;

	if (memcmp(a->uuid, b->uuid, LEDGER_UUID) == 0 &&
	    b->first_seq == a->last_seq + 1 &&
	    memcmp(a->chain_after, b->chain_before, ENTRY_CHAIN) == 0 &&
	    a->debits_after == b->debits_before &&
	    a->credits_after == b->credits_before)
		return true;
	buf_printf(why, "entry %" PRIu64 " does not follow entry %" PRIu64,
		   b->first_seq, a->last_seq);
	return false;
}
