#pragma once
/* The sample's ledger over four months, and files of them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "billing/base.h"
#include "billing/drop.h"
#include "billing/segment.h"
#include "tests/unit/billing/sample.h"

#define DAY_MS (24ull * 3600 * 1000)
#define NOV    (2025u * 12 + 10)
#define DEC    (NOV + 1)
#define JAN    (NOV + 2)

struct history {
	struct sample s;
	char folder[96];	     /* for segments */
	struct entry pending, later; /* of November, reversed after it */
};

static inline void
history_reverse(struct history *h, const struct entry *original, uint64_t ms)
{
	struct entry e = *original;

	e.kind = KIND_REVERSAL;
	e.ref = original->seq;
	e.charge_nano = -original->charge_nano;
	e.reason = REASON_NOT_SENT;
	e.hold_nano = 0;
	e.rule = 0;
	sample_put(&h->s, &e, ms);
}

static inline void
history_request(struct history *h, uint32_t slot, uint64_t ms, struct entry *e)
{
	*e = sample_request(&h->s, slot, 1, (uint8_t)(slot * 7));
	sample_put(&h->s, e, ms);
}

/* November to February, a reversal across the end of November. */
static inline void
history_open(struct history *h)
{
	struct entry e;

	memset(h, 0, sizeof(*h));
	sample_open(&h->s);
	must(snprintf(h->folder, sizeof(h->folder), "%s/files", h->s.f.dir) <
	     (int)sizeof(h->folder));
	must(mkdir(h->folder, 0700) == 0);
	history_request(h, 8, DAY_MS, &h->pending);   /* 10 */
	history_request(h, 9, 2 * DAY_MS, &h->later); /* 11 */
	history_reverse(h, &h->pending, 15 * DAY_MS); /* 12, December */
	history_request(h, 10, 16 * DAY_MS, &e);
	history_request(h, 11, 50 * DAY_MS, &e); /* 14, January */
	history_request(h, 12, 80 * DAY_MS, &e); /* 15, February */
	must(post_begin(&h->s.post) == STORE_OK);
	h->s.post.meta.clean = 1;
	must(post_commit(&h->s.post) == STORE_OK);
	post_free(&h->s.post);
	ledger_close(h->s.ledger);
	h->s.ledger = NULL;
}

static inline void
history_close(struct history *h)
{
	sample_close(&h->s);
}

static inline void
history_path(const struct history *h, uint32_t month, char out[128])
{
	char text[MONTH_TEXT];

	segment_month_text(month, text);
	must(snprintf(out, 128, "%s/%s", h->folder, text) < 128);
}

static inline enum report_result
history_export(struct history *h, uint32_t month)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct report_job job = {0};
	struct report_sum sum;
	enum report_result r;
	char path[128];

	history_path(h, month, path);
	must(ledger_open(&job.ledger, h->s.f.dir, LEDGER_READ, 0, &error) ==
	     STORE_OK);
	job.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(job.fd >= 0);
	r = segment_export(&job, month, &sum, &error);
	(void)close(job.fd);
	ledger_close(job.ledger);
	if (r != REPORT_DONE) {
		printf("# %.*s\n", STR_ARG(buf_str(&error)));
		(void)unlink(path);
	}
	return r;
}

static inline enum drop_result
history_drop(struct history *h, uint32_t month, uint32_t file)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	enum drop_result r;
	char path[128];

	history_path(h, file, path);
	r = drop_month(h->s.f.dir, month, path, &out);
	printf("# %.*s\n", STR_ARG(buf_str(&out)));
	return r;
}

/* With the segments of the folder. */
static inline enum verify_result
history_verify(struct history *h, struct buf *line)
{
	enum verify_result r = VERIFY_DAMAGED;
	struct ledger *l;

	buf_reset(line);
	if (ledger_open(&l, h->s.f.dir, LEDGER_READ, 0, line) == STORE_OK)
		r = verify_history(l, h->folder, true, line);
	ledger_close(l);
	if (r != VERIFY_BALANCED)
		printf("# %.*s\n", STR_ARG(buf_str(line)));
	return r;
}
