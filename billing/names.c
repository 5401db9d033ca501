/*
 * Interned texts. The table is never resized: it has twice as many places
 * as there can be names.
 */
#include "billing/names.h"

#include <stdlib.h>
#include <string.h>

#include "billing/records.h"

#define PLACES (NAMES_MAX * 2)

/* The place of `text`, or the empty one where it belongs. */
static uint32_t *
place(const struct names *n, struct str text)
{
	uint64_t at = siphash(&n->secret, text);

	for (;; at++) {
		uint32_t *p = &n->table[at % PLACES];

		if (*p == 0 || str_eq(str_of(n->text[*p]), text))
			return p;
	}
}

static bool
add(struct names *n, struct str text)
{
	char *copy = strndup(text.p, text.n);

	if (!copy)
		return false;
	n->text[n->next] = copy;
	*place(n, text) = n->next++;
	return true;
}

enum store
names_load(struct names *n, struct ledger *l, uint32_t next)
{
	char text[NAME_TEXT];

	*n = (struct names){.next = NAME_OTHER};
	random_bytes(&n->secret, sizeof(n->secret));
	n->text = calloc(NAMES_MAX, sizeof(*n->text));
	n->table = calloc(PLACES, sizeof(*n->table));
	if (!n->text || !n->table || !add(n, STR("(other)")))
		return STORE_FAILED;
	if (next > NAMES_MAX)
		return STORE_DAMAGED;
	while (n->next < next) {
		enum store s = name_get(l, n->next, text);

		if (s != STORE_OK)
			return s == STORE_NONE ? STORE_DAMAGED : s;
		if (!add(n, str_of(text)))
			return STORE_FAILED;
	}
	return STORE_OK;
}

void
names_free(struct names *n)
{
	if (n->text)
		names_forget(n, 0);
	free(n->text);
	free(n->table);
	*n = (struct names){0};
}

enum store
names_intern(struct names *n, struct ledger *l, struct str text, uint32_t *id)
{
	enum store s;

	*id = NAME_NONE;
	if (text.n)
		text.n = strnlen(text.p, MIN_OF(text.n, (size_t)NAME_TEXT - 1));
	if (text.n == 0)
		return STORE_OK;
	*id = *place(n, text);
	if (*id)
		return STORE_OK;
	*id = NAME_OTHER;
	if (n->next == NAMES_MAX)
		return STORE_OK;
	s = name_put(l, n->next, text);
	if (s != STORE_OK)
		return s;
	if (add(n, text))
		*id = n->next - 1;
	return STORE_OK;
}

/* The last id in was the last place taken on its path, so emptying places in
 * reverse order leaves no gap before another name. */
void
names_forget(struct names *n, uint32_t next)
{
	while (n->next > next && n->next > NAME_NONE + 1) {
		char *text = n->text[n->next - 1];

		*place(n, str_of(text)) = 0;
		free(text);
		n->text[--n->next] = NULL;
	}
}

const char *
names_text(const struct names *n, uint32_t id)
{
	if (id == NAME_NONE)
		return "";
	return id < n->next && n->text[id] ? n->text[id] : "?";
}
