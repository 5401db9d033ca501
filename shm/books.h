#pragma once
/*
 * Price books: the prices of one configuration generation. The master writes
 * a book and asks the writer to store it (order of the book: filled, version
 * 0; stored, version > 0); the generation accepts once it has a version.
 * Equal content gets the version it had before.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "shm/region.h"

#define BOOK_MODELS 4096
#define MODEL_NAME  128

struct book_row {
	char name[MODEL_NAME];
	struct price input, cache_read, cache_write, output, reasoning;
	struct money per_request;
	uint32_t max_output;
	uint32_t bytes_per_token_milli; /* estimator: 4000 = 4 bytes */
	uint8_t free_of_charge;
	uint8_t spare[7];
};

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

/* Master. SHM_NONE: all in use, or run_dir has no room. */
uint32_t book_new(struct region *r, uint32_t generation);
void book_release(struct region *r, uint32_t index);
