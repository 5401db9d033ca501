#pragma once
/*
 * Names that an upstream does not allow: of tools, and ids of calls. Each
 * becomes a legal one that is always the same for the same name, and a call's
 * is found again among the tools of the conversation.
 */
#include <stddef.h>

#include "adapters/talk.h"

/* Letters and digits are always legal. */
struct name_rule {
	const char *marks; /* what else is */
	const char *first; /* of these the first one may be; NULL = any */
	bool digit_first;  /* with `first`: or a digit */
	size_t max;
};

/* `raw` as it is, decoded, where it is legal; else its begin, with '_' for
 * what is not, and a hash. {NULL, 0} when out of memory. */
struct str name_legal(struct arena *a, const struct name_rule *rule,
		      struct str raw);
/* The raw name of the tool that an upstream calls `legal`; `legal` itself if
 * there is none. */
struct str name_original(struct arena *a, const struct name_rule *rule,
			 const struct conversation *talk, struct str legal);
