/* Changes without a body: channels by the operator, accounts and keys by the
 * ledger writer, reload and stop by the master. */
#include <string.h>

#include "admin/ask.h"
#include "admin/control.h"
#include "admin/pages.h"
#include "admin/views.h"
#include "base/log.h"
#include "conf/conf.h"
#include "shm/channels.h"

/* ---- channels ---- */

static void
channel_set(struct page *p, uint32_t state)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct admin_args *a = p->admin->args;
	struct json_out o;

	for (uint32_t i = 0; i < a->n_channels; i++) {
		if (!str_eq(a->conf->channels[i].name, str_of(p->name)) ||
		    !a->channel_rows || a->channel_rows[i] >= SHM_CHANNELS)
			continue;
		atomic_store(
			&a->region->channels[a->channel_rows[i]].operator_state,
			state);
		LOG_INFO("channel set by the operator",
			 F_CSTR("channel", p->name),
			 F_CSTR("state",
				state ? channel_state_name(
						(enum channel_state)state)
				      : "up"));
		json_out_init(&o, &out);
		json_open(&o, '{');
		put_text(&o, "name", p->name);
		put_text(&o, "operator",
			 state ? channel_state_name((enum channel_state)state)
			       : "up");
		json_close(&o, '}');
		page_json(p, 200, &out);
		return;
	}
	page_error(p, 404, "not_found",
		   "There is no channel \"%s\". GET /admin/v1/channels lists "
		   "them.",
		   p->name);
}

void
admin_channel_drain(struct page *p, struct str body)
{
	(void)body;
	channel_set(p, CHANNEL_DRAIN);
}

void
admin_channel_up(struct page *p, struct str body)
{
	(void)body;
	channel_set(p, 0);
}

void
admin_channel_down(struct page *p, struct str body)
{
	(void)body;
	channel_set(p, CHANNEL_OFF);
}

/* ---- by the ledger writer ---- */

static void
account_change(struct page *p, enum order_kind kind)
{
	struct order order;

	memset(&order, 0, sizeof(order));
	order.kind = kind;
	if (!str_copy(order.name, sizeof(order.name), str_of(p->name))) {
		page_error(p, 404, "not_found", "There is no account \"%s\".",
			   p->name);
		return;
	}
	ask_writer(p, &order);
}

void
admin_account_freeze(struct page *p, struct str body)
{
	(void)body;
	account_change(p, ORDER_ACCOUNT_FREEZE);
}

void
admin_account_unfreeze(struct page *p, struct str body)
{
	(void)body;
	account_change(p, ORDER_ACCOUNT_UNFREEZE);
}

void
admin_key_revoke(struct page *p, struct str body)
{
	struct order order;
	uint64_t id;

	(void)body;
	memset(&order, 0, sizeof(order));
	order.kind = ORDER_KEY_REVOKE;
	if (!str_to_u64(str_of(p->name), &id) ||
	    id >= key_rows(p->admin->args->region)) {
		page_error(p, 404, "not_found",
			   "There is no key %s. GET /admin/v1/keys lists them.",
			   p->name);
		return;
	}
	order.key_id = (uint32_t)id;
	ask_writer(p, &order);
}

void
admin_audit(struct page *p, struct str body)
{
	struct order order;

	(void)body;
	memset(&order, 0, sizeof(order));
	order.kind = ORDER_AUDIT;
	ask_writer(p, &order);
}

/* ---- by the master ---- */

static void
reloaded(void *user, bool ok, const char *text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct page *p = user;
	struct json_out o;

	if (ok) {
		json_out_init(&o, &out);
		json_open(&o, '{');
		put_bool(&o, "reloaded", true);
		put_u64(&o, "generation",
			atomic_load(&p->admin->args->region->head->generation));
		json_close(&o, '}');
		page_json(p, 200, &out);
	} else {
		page_error(p, 422, "refused", "Nothing has changed: %s", text);
	}
	page_release(p);
}

static void
upgraded(void *user, bool ok, const char *text)
{
	struct page *p = user;

	if (ok)
		page_text(p, 200, "application/json",
			  STR("{\"upgraded\":true}\n"));
	else
		page_error(p, 422, "refused", "Nothing has changed: %s", text);
	page_release(p);
}

static void
stopping(void *user, bool ok, const char *text)
{
	struct page *p = user;

	if (ok)
		page_text(p, 202, "application/json",
			  STR("{\"stopping\":true}\n"));
	else
		page_error(p, 503, "refused", "%s", text);
	page_release(p);
}

static void
ask_master(struct page *p, enum control_kind kind, control_fn *done)
{
	page_hold(p);
	if (admin_control_ask(p->admin->control, kind, done, p) == E_OK)
		return;
	page_error(p, 503, "overloaded", "The master is busy. Try again.");
	page_release(p);
}

void
admin_reload(struct page *p, struct str body)
{
	(void)body;
	ask_master(p, CONTROL_RELOAD, reloaded);
}

void
admin_upgrade(struct page *p, struct str body)
{
	(void)body;
	ask_master(p, CONTROL_UPGRADE, upgraded);
}

void
admin_stop(struct page *p, struct str body)
{
	(void)body;
	ask_master(p, CONTROL_STOP, stopping);
}
