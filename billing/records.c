/*
 * Rows of the ledger: checksums, and the two tables whose rows have no fixed
 * size (price books and names).
 */
#include "billing/records.h"

#include <stdlib.h>
#include <string.h>

#define CRC_BYTES sizeof(uint32_t)

static struct str
bytes_of(const void *p, size_t n)
{
	return str_make(p, n);
}

void
record_seal(void *record, size_t size)
{
	uint32_t crc = crc32c(0, record, size - CRC_BYTES);

	memcpy((char *)record + size - CRC_BYTES, &crc, CRC_BYTES);
}

bool
record_read(struct str value, void *out, size_t size)
{
	uint32_t crc;

	if (value.n != size)
		return false;
	memcpy(out, value.p, size);
	memcpy(&crc, (const char *)out + size - CRC_BYTES, CRC_BYTES);
	return crc == crc32c(0, out, size - CRC_BYTES);
}

void
idem_seal(const uint8_t key[LEDGER_IDEM_KEY], struct idem_record *r)
{
	r->key_crc = crc32c(0, key, LEDGER_IDEM_KEY);
	record_seal(r, sizeof(*r));
}

bool
idem_read(const uint8_t key[LEDGER_IDEM_KEY], struct str value,
	  struct idem_record *out)
{
	return record_read(value, out, sizeof(*out)) &&
	       out->key_crc == crc32c(0, key, LEDGER_IDEM_KEY);
}

enum store
record_get(struct ledger *l, enum ledger_table t, uint64_t key, void *out,
	   size_t size)
{
	struct str value;
	enum store s = ledger_get(l, t, key, &value);

	if (s == STORE_OK && !record_read(value, out, size))
		return STORE_DAMAGED;
	return s;
}

enum store
record_put(struct ledger *l, enum ledger_table t, uint64_t key, void *record,
	   size_t size)
{
	record_seal(record, size);
	return ledger_put(l, t, key, bytes_of(record, size), PUT_ANY);
}

uint64_t
code_key(const uint8_t hash[SHA256_BYTES])
{
	uint64_t key;

	memcpy(&key, hash, sizeof(key));
	return key;
}

enum store
refunded_add(struct ledger *l, uint64_t seq, int64_t nano, int64_t most)
{
	struct refunded_record r;
	enum store s = record_get(l, TABLE_REFUNDED, seq, &r, sizeof(r));

	if (s == STORE_NONE)
		memset(&r, 0, sizeof(r));
	else if (s != STORE_OK)
		return s;
	if (__builtin_add_overflow(r.nano, nano, &r.nano) || r.nano > most)
		return STORE_NONE;
	return record_put(l, TABLE_REFUNDED, seq, &r, sizeof(r));
}

/* ---- keys ---- */

bool
key_read(struct str value, struct key_record *out)
{
	memset(out, 0, sizeof(*out));
	if (value.n == sizeof(*out))
		return record_read(value, out, sizeof(*out));
	if (!record_read(value, out, KEY_RECORD_PLAIN))
		return false;
	out->spare = 0;
	return true;
}

enum store
key_get(struct ledger *l, uint64_t id, struct key_record *out)
{
	struct str value;
	enum store s = ledger_get(l, TABLE_KEY, id, &value);

	if (s == STORE_OK && !key_read(value, out))
		return STORE_DAMAGED;
	return s;
}

enum store
key_put(struct ledger *l, uint64_t id, const struct key_record *k)
{
	struct key_record row = *k;

	return record_put(l, TABLE_KEY, id, &row,
			  row.tags[0] ? sizeof(row) : KEY_RECORD_PLAIN);
}

/* ---- caps ---- */

bool
cap_read(struct str value, struct cap_record *out)
{
	memset(out, 0, sizeof(*out));
	if (value.n == sizeof(*out))
		return record_read(value, out, sizeof(*out)) &&
		       (out->kind == CAP_CREDENTIAL || out->kind == CAP_MODEL);
	return record_read(value, out, CAP_RECORD_CHANNEL) &&
	       out->kind == CAP_CHANNEL;
}

enum store
cap_get(struct ledger *l, uint32_t cap, struct cap_record *out)
{
	struct str value;
	enum store s = ledger_get(l, TABLE_CAP, cap, &value);

	if (s == STORE_OK && !cap_read(value, out))
		return STORE_DAMAGED;
	return s;
}

enum store
cap_put(struct ledger *l, uint32_t cap, const struct cap_record *c)
{
	struct cap_record row = *c;

	return record_put(l, TABLE_CAP, cap, &row,
			  c->kind == CAP_CHANNEL ? CAP_RECORD_CHANNEL
						 : sizeof(row));
}

struct cap_of
cap_record_of(const struct cap_record *c)
{
	return (struct cap_of){
		.kind = (enum cap_kind)c->kind,
		.channel = str_make(c->channel,
				    strnlen(c->channel, sizeof(c->channel))),
		.name = str_make(c->name, strnlen(c->name, sizeof(c->name))),
	};
}

uint64_t
balance_key(uint32_t counter)
{
	if (counter < SHM_ACCOUNTS)
		return counter;
	if (counter < SHM_ACCOUNTS + SHM_KEYS)
		return 1ull << 32 | (counter - SHM_ACCOUNTS);
	return 2ull << 32 | (counter - SHM_ACCOUNTS - SHM_KEYS);
}

uint32_t
balance_counter(uint64_t key)
{
	uint32_t id = (uint32_t)key;

	switch (key >> 32) {
	case 0: return id < SHM_ACCOUNTS ? counter_of_account(id) : SHM_NONE;
	case 1: return id < SHM_KEYS ? counter_of_key(id) : SHM_NONE;
	case 2: return id < SHM_CAPS ? counter_of_cap(id) : SHM_NONE;
	default: return SHM_NONE;
	}
}

/* ---- price books ---- */

static uint32_t
price_crc(const struct price_record *head, const void *rows)
{
	uint32_t crc = crc32c(0, head, offsetof(struct price_record, crc));

	return crc32c(crc, rows, (size_t)head->n * head->row_size);
}

enum store
price_put(struct ledger *l, uint32_t version, const struct book_row *rows,
	  uint32_t n, uint64_t now_ms)
{
	struct price_record head = {
		.row_size = sizeof(*rows), .n = n, .created_ms = now_ms};
	size_t size = sizeof(*rows) * n;
	char *value = malloc(sizeof(head) + size);
	enum store s;

	if (!value)
		return STORE_FULL;
	sha256(rows, size, head.hash);
	head.crc = price_crc(&head, rows);
	memcpy(value, &head, sizeof(head));
	memcpy(value + sizeof(head), rows, size);
	s = ledger_put(l, TABLE_PRICE, version,
		       bytes_of(value, sizeof(head) + size), PUT_ANY);
	free(value);
	return s;
}

static enum store
price_value(struct ledger *l, uint32_t version, struct price_record *head,
	    struct str *value)
{
	enum store s = ledger_get(l, TABLE_PRICE, version, value);

	if (s != STORE_OK)
		return s;
	if (value->n < sizeof(*head))
		return STORE_DAMAGED;
	memcpy(head, value->p, sizeof(*head));
	if ((head->row_size != sizeof(struct book_row) &&
	     head->row_size != BOOK_ROW_BEFORE_UNITS) ||
	    head->n > BOOK_MODELS ||
	    value->n != sizeof(*head) + (size_t)head->n * head->row_size)
		return STORE_DAMAGED;
	return STORE_OK;
}

enum store
price_get(struct ledger *l, uint32_t version, struct book_row **rows,
	  uint32_t *n)
{
	struct price_record head;
	struct str value;
	enum store s = price_value(l, version, &head, &value);

	*rows = NULL;
	if (s != STORE_OK)
		return s;
	if (price_crc(&head, value.p + sizeof(head)) != head.crc)
		return STORE_DAMAGED;
	*n = head.n;
	*rows = calloc((size_t)head.n + 1, sizeof(**rows));
	if (!*rows)
		return STORE_FAILED;
	for (uint32_t i = 0; i < head.n; i++)
		memcpy(&(*rows)[i],
		       value.p + sizeof(head) + (size_t)i * head.row_size,
		       head.row_size);
	return STORE_OK;
}

enum store
price_head(struct ledger *l, uint32_t version, struct price_record *out)
{
	struct str value;

	return price_value(l, version, out, &value);
}

/* ---- names ---- */

enum store
name_put(struct ledger *l, uint64_t id, struct str text)
{
	char value[CRC_BYTES + NAME_TEXT];
	size_t n = MIN_OF(text.n, (size_t)NAME_TEXT - 1);
	uint32_t crc = crc32c((uint32_t)id, text.p, n);

	memcpy(value, &crc, CRC_BYTES);
	if (n)
		memcpy(value + CRC_BYTES, text.p, n);
	return ledger_put(l, TABLE_NAME, id, bytes_of(value, CRC_BYTES + n),
			  PUT_ANY);
}

enum store
name_get(struct ledger *l, uint64_t id, char out[NAME_TEXT])
{
	struct str value;
	enum store s = ledger_get(l, TABLE_NAME, id, &value);
	uint32_t crc;
	size_t n;

	if (s != STORE_OK)
		return s;
	if (value.n < CRC_BYTES || value.n >= CRC_BYTES + NAME_TEXT)
		return STORE_DAMAGED;
	n = value.n - CRC_BYTES;
	memcpy(&crc, value.p, CRC_BYTES);
	if (crc != crc32c((uint32_t)id, value.p + CRC_BYTES, n))
		return STORE_DAMAGED;
	memcpy(out, value.p + CRC_BYTES, n);
	out[n] = '\0';
	return STORE_OK;
}
