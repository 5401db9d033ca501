#pragma once
/*
 * Who pays what: the rules R1 to R14 as one pure function. What is known of a
 * request (struct facts) becomes a verdict: the tokens that are charged, their
 * price, what the operator owes. The number of the rule stands in the entry,
 * and whatever the rule, the charge is the price of the entry's tokens, at
 * most the hold: rules_charge() recomputes it from the entry alone. The rules
 * in words: docs/billing.md.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/money.h"
#include "conf/conf.h"
#include "shm/books.h"
#include "shm/slots.h"

/* Stored in entries; never renumbered. */
enum rule {
	RULE_NONE,
	RULE_USAGE,	/* R1 the answer is whole: the provider's usage */
	RULE_ZERO,	/* R2 its usage says zero: nothing */
	RULE_NO_USAGE,	/* R3 it gave no usage: what was counted here */
	RULE_NOTHING,	/* R4 nothing was delivered: nothing */
	RULE_FAILED,	/* R5 the provider broke off: the output that came */
	RULE_LEFT,	/* R6 the client left: what it got */
	RULE_LEFT_READ, /* R7 the same, and the answer is read on for its
			   usage, at the operator's cost */
	RULE_RETRIED,	/* R8 whole after lost attempts: as R1, once */
	RULE_REFUSED,	/* R9 broken off by the gateway, because what came was
			   not the answer: as R5 */
	RULE_HEDGED,	/* R10 the first of several: as R1, once */
	RULE_CACHED,	/* R11 from the gateway's cache: nothing */
	RULE_AT_HOLD,	/* R12 the hold was used up: what was delivered */
	RULE_REAPED,	/* R13 the gateway broke down: what was delivered */
	RULE_OVER_HOLD, /* R14 the usage is above the hold: the hold */
	RULE_COUNT
};

struct facts {
	/* What happened. */
	bool reaped;   /* the worker died */
	bool cached;   /* no provider was asked */
	bool hedged;   /* several were asked at once, this one answered */
	bool ended;    /* the provider's answer came to its end */
	bool failed;   /* the provider cut it off or sent an error instead */
	bool refused;  /* we broke it off: another model's, or unreadable */
	bool at_hold;  /* we broke it off: no money left */
	bool left;     /* the client, before it had all that came */
	bool reads_on; /* and the rest is read; its cost is a leg of its own */
	bool delivered_any; /* the client got something of an answer */
	bool delivered_all; /* all that came, or it will in one piece */
	bool has_usage;
	uint32_t attempts;
	/* Of the provider; counted here of what the client took; counted here
	 * of what the provider has done. */
	struct token_counts usage, delivered, arrived;
	/* The terms. */
	const struct book_row *prices; /* the customer's */
	uint32_t multiplier_ppm;
	struct money hold;
	enum conf_failed_answer failed_answer;
	const struct book_row *list; /* the operator's; NULL = owes nothing */
	uint32_t cost_ppm;
};

struct verdict {
	enum rule rule;
	enum usage_source source;   /* of the tokens */
	uint8_t flags;		    /* enum note_flag that follow */
	struct token_counts tokens; /* charged */
	struct money price;	    /* theirs; INT64_MAX: does not fit */
	struct money charge;	    /* at most the hold */
	struct money upstream;	    /* what the operator owes */
};

struct verdict rules_judge(const struct facts *f);
/* min(price of the tokens, hold): the charge of every request's entry. */
struct money rules_charge(const struct book_row *prices,
			  const struct token_counts *tokens,
			  uint32_t multiplier_ppm, struct money hold);
/* "R1" ... "R14"; "" for 0 and beyond. */
const char *rule_name(uint8_t rule);
