#pragma once
/*
 * Google service accounts: the key file, the request for an access token (a
 * JWT signed with the account's key, RFC 7523), and its answer. Pure: the
 * time is an argument.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

/* Owns secrets: service_account_wipe(). */
struct service_account {
	struct buf email;
	struct buf key_id;	/* "" = not said */
	struct buf private_key; /* PEM */
	struct buf token_uri;
};

/* Zeroed before. False with a reason that holds no secret; then there is
 * nothing to wipe. */
NODISCARD bool service_account_read(struct str json,
				    struct service_account *out,
				    const char **why);
void service_account_wipe(struct service_account *s);

/* The body of the POST to token_uri, a form. False: the private key is none
 * (or out of memory). */
NODISCARD bool service_account_ask(const struct service_account *s,
				   uint64_t now_s, struct buf *out);
/* The answer of status 200: the token, and for how many seconds it is good.
 * False: it is no such answer. */
NODISCARD bool service_account_answer(struct str body, struct buf *token,
				      uint64_t *life_s);
