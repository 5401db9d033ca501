#pragma once
/*
 * Which price a customer pays: of the current price book, or of the version
 * that his account is pinned to, the row that has become effective last. What
 * the pinned version does not know is at the current price. Private to
 * worker/.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "shm/books.h"

struct arena;
struct conf_group;
struct product;
struct worker;

struct priced {
	const struct book_row *row; /* lives as long as the arena */
	uint32_t version;
	uint16_t index; /* of the row in its version */
	/* The current list price, what the operator's cost goes by. */
	const struct book_row *list;
	uint16_t list_index;
};

/* E_NO_MODEL: no price is effective yet. E_OVERLOAD: the pinned version is
 * not in shared memory, or no memory. */
NODISCARD enum err prices_of(struct worker *w, struct arena *arena,
			     uint32_t account, const struct product *product,
			     uint64_t now_ms, struct priced *out);
/* Group x (1 - the account's discount), rounded up to a ppm. */
uint32_t prices_multiplier(const struct worker *w, uint32_t account,
			   const struct conf_group *group,
			   const struct product *product);
void pins_free(struct worker *w);
