#pragma once
/*
 * The signer: holds the secret key of receipts, which no other process reads,
 * and signs what the ledger says of a request.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/sign.h"

struct admin;
struct conf;
struct region;

struct signer;

/* Publishes the public key in shared memory. NULL: no key (said in the log):
 * receipts are not available. */
struct signer *signer_new(const struct conf *conf, struct region *r);
void signer_free(struct signer *s);
