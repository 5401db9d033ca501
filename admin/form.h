#pragma once
/* The body of a page: a JSON object whose members a table describes. */
#include <stdbool.h>
#include <stddef.h>

#include "admin/process.h"
#include "billing/order.h"

enum member_type {
	MEMBER_NAME,   /* of an account: letters, digits, . _ @ : + - */
	MEMBER_TEXT,   /* any text on one line */
	MEMBER_MONEY,  /* decimal text, >= 0 */
	MEMBER_SIGNED, /* decimal text, not 0 */
	MEMBER_COUNT,  /* a whole number, 0 .. 2^31 - 1 */
	MEMBER_BOOL,
	MEMBER_SEQ,	/* number of a ledger entry */
	MEMBER_LIST,	/* list of texts without commas */
	MEMBER_TIME,	/* RFC 3339, in the future */
	MEMBER_PERCENT, /* decimal text, 0 .. 100 */
};

/* What a body becomes. */
struct form {
	struct order order;
	char budget[64]; /* looked at by the page itself, as those below */
	char secret[264];
	char low[32];
	char pin[16];
	char code[64];
	char plan[PLAN_NAME];
	char expires[40];
	char grace[16];
	uint32_t no_credit;
};

struct member {
	const char *name;
	enum member_type type;
	bool required;
	size_t offset; /* in struct form */
	size_t size;   /* of the text there */
	uint32_t set;  /* enum order_set: the order sets it */
};

#define FORM_AT(field)	    offsetof(struct form, field)
#define FORM_TEXT_AT(field) FORM_AT(field), sizeof(((struct form *)0)->field)

/* False: the page is answered. */
NODISCARD bool form_take(struct page *p, struct str body,
			 const struct member *members, unsigned n,
			 struct form *form);
/* The same, and the account that the path names. */
NODISCARD bool form_take_account(struct page *p, struct str body,
				 const struct member *members, unsigned n,
				 struct form *form);
/* Is the group configured ("" is); false: answered. */
NODISCARD bool form_group_exists(struct page *p, const char *group);
