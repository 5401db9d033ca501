#pragma once
/* The pages of the admin API; each is a row of endpoints.c. */
#include "admin/process.h"

/* pages.c: answered at once from shared memory. */
void admin_page_health(struct page *p, struct str body);
void admin_page_ready(struct page *p, struct str body);
void admin_page_metrics(struct page *p, struct str body);
void admin_page_openapi(struct page *p, struct str body);
void admin_page_status(struct page *p, struct str body);
void admin_page_workers(struct page *p, struct str body);
void admin_page_channels(struct page *p, struct str body);
void admin_page_models(struct page *p, struct str body);
void admin_page_conns(struct page *p, struct str body);
void admin_page_limits(struct page *p, struct str body);
void admin_page_accounts(struct page *p, struct str body);
void admin_page_account(struct page *p, struct str body);
void admin_page_keys(struct page *p, struct str body);
void admin_page_key(struct page *p, struct str body);

/* changes.c: handed to the writer or the master, without a body. */
void admin_channel_drain(struct page *p, struct str body);
void admin_channel_up(struct page *p, struct str body);
void admin_channel_down(struct page *p, struct str body);
void admin_account_freeze(struct page *p, struct str body);
void admin_account_unfreeze(struct page *p, struct str body);
void admin_key_revoke(struct page *p, struct str body);
void admin_audit(struct page *p, struct str body);
void admin_reload(struct page *p, struct str body);
void admin_upgrade(struct page *p, struct str body);
void admin_stop(struct page *p, struct str body);

/* change_account.c, change_key.c: the same with a JSON body. */
void admin_account_create(struct page *p, struct str body);
void admin_account_set(struct page *p, struct str body);
void admin_account_topup(struct page *p, struct str body);
void admin_account_refund(struct page *p, struct str body);
void admin_account_correct(struct page *p, struct str body);
void admin_account_credit(struct page *p, struct str body);

/* change_code.c */
void admin_code_create(struct page *p, struct str body);
void admin_code_redeem(struct page *p, struct str body);
void admin_page_codes(struct page *p, struct str body);
void admin_code_revoke(struct page *p, struct str body);
void admin_key_create(struct page *p, struct str body);
void admin_key_set(struct page *p, struct str body);
void admin_key_rotate(struct page *p, struct str body);

/* receipt.c */
void admin_page_receipt_key(struct page *p, struct str body);
