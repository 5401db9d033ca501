#pragma once
/*
 * Caps of the operator (shm/caps.h) as this worker looks at them: of its
 * lanes, their keys, and models. Private to worker/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"

struct cap_row;
struct lane;
struct product;
struct request;
struct worker;

/* Once at start. False: out of memory. */
NODISCARD bool caps_of_lane(const struct worker *w, struct lane *l);
void caps_of_product(const struct worker *w, struct product *p);
void caps_free(struct lane *l);

/* Is there something left of it, as far as a look can tell; NULL = no cap. */
bool cap_open(const struct worker *w, const struct cap_row *cap);
/* The cap of the lane's key; NULL = none. */
const struct cap_row *cap_of_key(const struct lane *l, unsigned key);
/* The same of the request's model. */
bool cap_open_model(const struct request *req);
/* The model's cap does not cover the attempt. */
void cap_model_refused(struct request *req);
