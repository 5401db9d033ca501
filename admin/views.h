#pragma once
/* What shared memory says, as JSON. Money is decimal text in USD, times are
 * RFC 3339 in UTC. */
#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"
#include "base/json.h"
#include "base/money.h"
#include "shm/region.h"

/* Members of the open object. */
void put_text(struct json_out *o, const char *name, const char *text);
void put_str(struct json_out *o, const char *name, struct str text);
void put_u64(struct json_out *o, const char *name, uint64_t value);
void put_i64(struct json_out *o, const char *name, int64_t value);
void put_bool(struct json_out *o, const char *name, bool value);
void put_money(struct json_out *o, const char *name, int64_t nano);
/* null when 0 */
void put_time_ms(struct json_out *o, const char *name, uint64_t wall_ms);
/* "a,b" as a list */
void put_list(struct json_out *o, const char *name, const char *commas);

/* Index of the account `name`, SHM_NONE = there is none. */
uint32_t account_find(const struct region *r, struct str name);
/* Rows that exist, bounded by the table. */
uint32_t account_rows(const struct region *r);
uint32_t key_rows(const struct region *r);

/* The members of an account or a key, without the braces. */
void view_account(struct json_out *o, const struct region *r, uint32_t index);
void view_key(struct json_out *o, const struct region *r, uint32_t index);

/* Whole answers. */
void view_status(struct json_out *o, const struct admin_args *a);
void view_workers(struct json_out *o, const struct admin_args *a);
void view_channels(struct json_out *o, const struct admin_args *a);
void view_models(struct json_out *o, const struct admin_args *a);
void view_conns(struct json_out *o, const struct admin_args *a);

/* NULL: ready; else why not. */
const char *view_unready(const struct admin_args *a);
