/* The admin process's reading of the ledger. */
#include "admin/history.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "billing/rollup.h"
#include "conf/conf.h"

/* Of a tick; and of a page that wants the last entries too. */
#define TICK_NS (5 * NS_PER_MS)
#define PAGE_NS (20 * NS_PER_MS)

struct history {
	struct ledger *ledger;
	struct rollup *rollup;
	bool whole;  /* once */
	bool failed; /* said once */
};

struct history *
history_new(const struct conf *conf)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	if (ledger_open(&h->ledger, conf->state_dir.p, LEDGER_READ, 0, &why) ==
	    STORE_OK)
		h->rollup = rollup_new(h->ledger, ROLLUP_CELLS);
	if (h->rollup)
		return h;
	LOG_ERROR("the ledger cannot be read: no usage, no receipts, no "
		  "idempotency keys of clients",
		  F_STR("why", buf_str(&why)));
	history_free(h);
	return NULL;
}

void
history_free(struct history *h)
{
	if (!h)
		return;
	rollup_free(h->rollup);
	ledger_close(h->ledger);
	free(h);
}

static bool
read_for(struct history *h, uint64_t ns)
{
	bool whole = false;
	enum store s = rollup_read(h->rollup, clock_mono_ns() + ns, &whole);

	if (s != STORE_OK && !h->failed)
		LOG_ERROR("the ledger cannot be read",
			  F_U64("after_entry", rollup_seq(h->rollup)),
			  F_CSTR("why", ledger_trouble(h->ledger)));
	h->failed = s != STORE_OK;
	if (whole && !h->whole)
		LOG_INFO("usage is read",
			 F_U64("entries", rollup_seq(h->rollup)));
	h->whole = h->whole || whole;
	return s == STORE_OK && whole;
}

void
history_tick(struct history *h, uint64_t committed_seq)
{
	if (h && (!h->whole || rollup_seq(h->rollup) < committed_seq))
		(void)read_for(h, TICK_NS);
}

const struct rollup *
history_usage(struct history *h)
{
	return h && read_for(h, PAGE_NS) ? h->rollup : NULL;
}

struct ledger *
history_ledger(struct history *h)
{
	return h ? h->ledger : NULL;
}
