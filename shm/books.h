#pragma once
/*
 * Price books: the prices of one configuration generation. The master writes
 * a book and asks the writer to store it (order of the book: filled, version
 * 0; stored, version > 0); the generation accepts once it has a version.
 * Equal content gets the version it had before.
 *
 * The first BOOKS_LIVE places are those of generations. In the others the
 * writer shows old versions that accounts are pinned to.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "base/str.h"
#include "shm/region.h"

#define BOOK_MODELS 4096
#define BOOK_TIERS  4
#define BOOKS_LIVE  16u
#define MODEL_NAME  128

/* Prices of a request whose input is above so many tokens: all its tokens are
 * at these. Tiers rise, and none is cheaper than the one before. */
struct book_tier {
	uint64_t above;
	struct price input, cache_read, cache_write, output, reasoning;
};

struct book_row {
	char name[MODEL_NAME];
	struct price input, cache_read, cache_write, output, reasoning;
	struct money per_request;
	uint32_t max_output;
	uint32_t bytes_per_token_milli; /* estimator: 4000 = 4 bytes */
	uint8_t free_of_charge;
	uint8_t n_tiers;
	/* Of the next row with this name, + 1: another price from another
	 * moment on. Rows of one name are a chain in their order; 0 = last. */
	uint16_t next;
	uint8_t spare[4];
	uint64_t effective_ms; /* wall clock; 0 = from the beginning */
	struct book_tier tiers[BOOK_TIERS];
	/* What is paid by units; BOOK_ROW_BEFORE_UNITS has none of them. */
	struct money per_image;
	struct money per_second;    /* of sound */
	struct price per_character; /* of text that is spoken */
};
/* Books of the ledger whose rows end there are read as well. */
#define BOOK_ROW_BEFORE_UNITS offsetof(struct book_row, per_image)

struct book {
	_Atomic uint32_t state;	  /* enum book_state */
	_Atomic uint32_t version; /* writer */
	uint32_t generation;
	uint32_t n;
	struct book_row rows[BOOK_MODELS];
};

enum book_state {
	BOOK_UNUSED,
	BOOK_FILLED,  /* master */
	BOOK_STORED,  /* writer: version is valid */
	BOOK_REFUSED, /* writer: could not be stored */
};

/* Of the chain of rows that begins at `first` the one that counts at `now_ms`:
 * the last that has become effective. SHM_NONE: none has. */
uint32_t book_effective(const struct book *b, uint32_t first, uint64_t now_ms);
/* The first row of this name; SHM_NONE: none. */
uint32_t book_find(const struct book *b, struct str name);
/* The place of a pinned version; SHM_NONE: it is not shown. */
uint32_t book_pinned(const struct region *r, uint32_t version);

/* Master. SHM_NONE: all in use, or run_dir has no room. */
uint32_t book_new(struct region *r, uint32_t generation);
void book_release(struct region *r, uint32_t index);
