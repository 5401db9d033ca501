#include "worker/leg.h"

#include "base/pool.h"

void
leg_init(struct leg *l, struct pool *pool)
{
	arena_init_capped(&l->wire, pool);
	l->attempt.slot = SHM_NONE;
}

void
leg_reset(struct leg *l)
{
	l->usage = (struct usage){.present = false};
	l->answer = NULL;
	l->reply = NULL;
	l->sink = NULL;
	l->kept = l->whole = false;
	l->raw = l->tokens_said = false;
	l->substituted = l->gave_up = false;
	l->array_begun = false;
	buf_reset(&l->usage_data);
	buf_reset(&l->startup);
	l->served = STR_NONE;
	l->lost_media = NULL;
	l->seen_bytes = 0;
	l->first_byte_ns = 0;
}

bool
leg_charge(struct leg *l, struct pool *pool)
{
	size_t holds =
		frames_held(&l->frames) + l->usage_data.cap + l->startup.cap;

	if (holds > l->charged && !pool_charge(pool, holds - l->charged))
		return false;
	if (holds < l->charged)
		pool_credit(pool, l->charged - holds);
	l->charged = holds;
	return true;
}

void
leg_free(struct leg *l, struct pool *pool)
{
	if (l->body.p)
		pool_free(pool, l->body.p, l->body.cap);
	frames_free(&l->frames);
	buf_free(&l->usage_data);
	buf_free(&l->startup);
	arena_free(&l->wire);
	if (l->charged > 0)
		pool_credit(pool, l->charged);
	l->charged = 0;
}
