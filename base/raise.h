#pragma once
/* Cells of shared memory that several processes only ever raise. */
#include <stdatomic.h>
#include <stdint.h>

/* To `to` at least. */
static inline void
atomic_raise(_Atomic uint64_t *cell, uint64_t to)
{
	uint64_t was = atomic_load(cell);

	while (was < to && !atomic_compare_exchange_weak(cell, &was, to))
		;
}
