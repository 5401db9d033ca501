/*
 * The ledger entry: sealing, checking, and the words for its codes.
 *
 * The chain covers 16 + 228 bytes, which is the most that SHA-256 takes in
 * four blocks: that is why the eight bytes behind are zero and not spare.
 */
#include "billing/usage.h"

#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "shm/counters.h"

#define CHAINED offsetof(struct entry, zero)

static void
chain_of(const struct entry *e, const uint8_t previous[ENTRY_CHAIN],
	 uint8_t out[ENTRY_CHAIN])
{
	uint8_t text[ENTRY_CHAIN + CHAINED];
	uint8_t digest[SHA256_BYTES];

	memcpy(text, previous, ENTRY_CHAIN);
	memcpy(text + ENTRY_CHAIN, e, CHAINED);
	sha256(text, sizeof(text), digest);
	memcpy(out, digest, ENTRY_CHAIN);
}

static uint32_t
crc_of(const struct entry *e)
{
	return crc32c(0, e, offsetof(struct entry, crc));
}

void
entry_seal(struct entry *e, const uint8_t previous[ENTRY_CHAIN])
{
	e->version = ENTRY_VERSION;
	memset(e->zero, 0, sizeof(e->zero));
	chain_of(e, previous, e->chain);
	e->crc = crc_of(e);
}

_Static_assert(SHM_CAPS < UINT16_MAX, "a cap's number + 1 has 16 bits");

uint64_t
entry_caps_ref(const uint32_t *caps, unsigned n, uint32_t window)
{
	uint64_t ref = (uint64_t)MIN_OF(window, UINT16_MAX) << 32;

	must(n > 0 && n <= ENTRY_MOVES);
	ref |= caps[0];
	if (n > 1)
		ref |= (uint64_t)(caps[1] + 1) << 16;
	if (n > 2)
		ref |= (uint64_t)(caps[2] + 1) << 48;
	return ref;
}

static bool
is_attempt(const struct entry *e)
{
	return e->kind == KIND_ATTEMPT || e->kind == KIND_CAP;
}

unsigned
entry_caps(const struct entry *e, uint32_t out[ENTRY_MOVES])
{
	uint32_t second = (uint32_t)(e->ref >> 16) & UINT16_MAX;
	uint32_t third = (uint32_t)(e->ref >> 48);
	unsigned n = 0;

	if (!(e->moves & MOVES_CAPS))
		return 0;
	out[n++] = (uint32_t)e->ref;
	if (!is_attempt(e))
		return n;
	out[0] &= UINT16_MAX;
	if (second > 0)
		out[n++] = second - 1;
	if (third > 0)
		out[n++] = third - 1;
	return n;
}

/* Different ones that there can be. */
static bool
caps_fit(const struct entry *e)
{
	uint32_t cap[ENTRY_MOVES];
	unsigned n = entry_caps(e, cap);

	for (unsigned i = 0; i < n; i++) {
		if (cap[i] >= SHM_CAPS)
			return false;
		for (unsigned k = 0; k < i; k++)
			if (cap[k] == cap[i])
				return false;
	}
	return true;
}

static bool
moves_fit(const struct entry *e)
{
	const uint8_t customer = MOVES_ACCOUNT | MOVES_PARENT | MOVES_KEY;

	if (e->moves & MOVES_CAPS)
		return e->moves == MOVES_CAPS && caps_fit(e);
	return !(e->moves & ~customer) &&
	       (!(e->moves & MOVES_KEY) || e->key < SHM_KEYS);
}

static bool
fields_fit(const struct entry *e)
{
	static const uint8_t zero[sizeof(e->zero)];

	return e->version == ENTRY_VERSION && e->kind >= KIND_REQUEST &&
	       e->kind < KIND_COUNT && moves_fit(e) && e->seq != 0 &&
	       entry_accounts_fit(e) && e->rule <= ENTRY_RULES &&
	       memcmp(e->zero, zero, sizeof(zero)) == 0;
}

enum entry_fault
entry_check(const struct entry *e, const uint8_t previous[ENTRY_CHAIN])
{
	uint8_t chain[ENTRY_CHAIN];

	if (crc_of(e) != e->crc)
		return ENTRY_BAD_CRC;
	if (!fields_fit(e))
		return ENTRY_BAD_FIELD;
	chain_of(e, previous, chain);
	if (memcmp(chain, e->chain, ENTRY_CHAIN) != 0)
		return ENTRY_BAD_CHAIN;
	return ENTRY_FINE;
}

/* The bad ones among the lanes of one round. */
static void
check_lanes(const struct entry *e, unsigned n, const uint8_t *previous,
	    enum entry_fault fault[SHA256_LANES])
{
	uint8_t text[SHA256_LANES][ENTRY_CHAIN + CHAINED];
	uint8_t digest[SHA256_LANES][SHA256_BYTES];

	for (unsigned i = 0; i < SHA256_LANES; i++) {
		const struct entry *one = &e[MIN_OF(i, n - 1)];

		memcpy(text[i], i && i < n ? e[i - 1].chain : previous,
		       ENTRY_CHAIN);
		memcpy(text[i] + ENTRY_CHAIN, one, CHAINED);
	}
	sha256_lanes(text[0], sizeof(text[0]), digest);
	for (unsigned i = 0; i < n; i++) {
		fault[i] = ENTRY_FINE;
		if (crc_of(&e[i]) != e[i].crc)
			fault[i] = ENTRY_BAD_CRC;
		else if (!fields_fit(&e[i]))
			fault[i] = ENTRY_BAD_FIELD;
		else if (memcmp(digest[i], e[i].chain, ENTRY_CHAIN) != 0)
			fault[i] = ENTRY_BAD_CHAIN;
	}
}

unsigned
entry_check_many(const struct entry *e, unsigned n,
		 const uint8_t previous[ENTRY_CHAIN], enum entry_fault *fault)
{
	enum entry_fault of[SHA256_LANES];

	*fault = ENTRY_FINE;
	for (unsigned at = 0; at < n; at += SHA256_LANES) {
		unsigned lanes = MIN_OF(n - at, SHA256_LANES);

		check_lanes(e + at, lanes, at ? e[at - 1].chain : previous, of);
		for (unsigned i = 0; i < lanes; i++) {
			if (of[i] == ENTRY_FINE)
				continue;
			*fault = of[i];
			return at + i;
		}
	}
	return n;
}

const char *
entry_fault_text(enum entry_fault f)
{
	switch (f) {
	case ENTRY_FINE: return "fine";
	case ENTRY_BAD_CRC: return "its checksum does not match its bytes";
	case ENTRY_BAD_CHAIN:
		return "its chain does not follow from the entry before";
	case ENTRY_BAD_FIELD: return "a field is out of range";
	}
	return "unknown";
}

unsigned
entry_counters(const struct entry *e, uint32_t out[ENTRY_MOVES])
{
	unsigned n = 0;

	if (e->moves & MOVES_ACCOUNT)
		out[n++] = counter_of_account(e->account);
	if (e->moves & MOVES_PARENT)
		out[n++] = counter_of_account(e->parent);
	if (e->moves & MOVES_KEY)
		out[n++] = counter_of_key(e->key);
	if (e->moves & MOVES_CAPS) {
		n = entry_caps(e, out);
		for (unsigned i = 0; i < n; i++)
			out[i] = counter_of_cap(out[i]);
	}
	return n;
}

int64_t
entry_amount(const struct entry *e)
{
	return is_attempt(e) ? e->upstream_nano : e->charge_nano;
}

int64_t
entry_absorbed(int64_t upstream, int64_t charge)
{
	int64_t over;

	if (__builtin_sub_overflow(upstream, charge, &over))
		return INT64_MAX;
	return over > 0 ? over : 0;
}

const char *
entry_kind_name(uint8_t kind)
{
	static const char *const name[KIND_COUNT] = {
		[KIND_REQUEST] = "request",   [KIND_TOPUP] = "topup",
		[KIND_REFUND] = "refund",     [KIND_REVERSAL] = "reversal",
		[KIND_LIMIT] = "limit",	      [KIND_CORRECTION] = "correction",
		[KIND_CREDIT] = "credit",     [KIND_FEE] = "fee",
		[KIND_ATTEMPT] = "attempt",   [KIND_CAP] = "cap",
		[KIND_ROLLOVER] = "rollover",
	};

	return kind < KIND_COUNT && name[kind] ? name[kind] : "unknown";
}

const char *
entry_reason_name(uint8_t reason)
{
	static const char *const name[] = {
		[REASON_NORMAL] = "normal",
		[REASON_CLIENT_GONE] = "client_gone",
		[REASON_UPSTREAM] = "upstream_failed",
		[REASON_AT_HOLD] = "at_hold",
		[REASON_REAPED] = "reaped",
		[REASON_NOT_SENT] = "not_sent",
	};

	return reason < ARRAY_LEN(name) ? name[reason] : "unknown";
}

const char *
entry_source_name(uint8_t source)
{
	static const char *const name[] = {
		[USAGE_NONE] = "none",
		[USAGE_UPSTREAM] = "upstream",
		[USAGE_COUNTED] = "counted",
		[USAGE_ESTIMATED] = "estimated",
	};

	return source < ARRAY_LEN(name) ? name[source] : "unknown";
}

const char *
entry_route_name(uint8_t endpoint)
{
	static const char *const name[] = {
		[ENDPOINT_NONE] = "",
		[ENDPOINT_CHAT] = "/v1/chat/completions",
		[ENDPOINT_COMPLETIONS] = "/v1/completions",
		[ENDPOINT_EMBEDDINGS] = "/v1/embeddings",
		[ENDPOINT_MESSAGES] = "/v1/messages",
		[ENDPOINT_RESPONSES] = "/v1/responses",
		[ENDPOINT_IMAGES] = "/v1/images/generations",
		[ENDPOINT_IMAGE_EDITS] = "/v1/images/edits",
		[ENDPOINT_IMAGE_VARIATIONS] = "/v1/images/variations",
		[ENDPOINT_TRANSCRIPTIONS] = "/v1/audio/transcriptions",
		[ENDPOINT_TRANSLATIONS] = "/v1/audio/translations",
		[ENDPOINT_SPEECH] = "/v1/audio/speech",
		[ENDPOINT_MODERATIONS] = "/v1/moderations",
		[ENDPOINT_RERANK] = "/v1/rerank",
	};

	return endpoint < ARRAY_LEN(name) ? name[endpoint] : "unknown";
}

const char *
entry_unit_name(uint32_t units)
{
	static const char *const names[UNIT_KINDS] = {
		[UNIT_NONE] = "",
		[UNIT_IMAGE] = "images",
		[UNIT_MILLISECOND] = "milliseconds",
		[UNIT_CHARACTER] = "characters",
		[UNIT_SEARCH] = "searches",
	};
	unsigned kind = units_kind(units);

	return kind < UNIT_KINDS ? names[kind] : "unknown";
}
