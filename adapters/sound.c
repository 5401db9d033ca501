/*
 * WAV is the one kind of file whose head is short, fixed and enough. It is
 * believed only as far as all it says fits together.
 */
#include "adapters/sound.h"

#include <stdbool.h>
#include <string.h>

#define RATE_MAX     768000u
#define CHANNELS_MAX 32u
#define PCM	     1u
#define FLOATS	     3u
#define CHUNKS_MAX   16u

static uint32_t
number(const char *p, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

/* Bytes a second by the chunk "fmt "; 0: not that simple. */
static uint64_t
rate_of(struct str format)
{
	uint32_t channels, rate, block, bits;

	if (format.n < 16 ||
	    (number(format.p, 2) != PCM && number(format.p, 2) != FLOATS))
		return 0;
	channels = number(format.p + 2, 2);
	rate = number(format.p + 4, 4);
	block = number(format.p + 12, 2);
	bits = number(format.p + 14, 2);
	if (channels == 0 || channels > CHANNELS_MAX || rate == 0 ||
	    rate > RATE_MAX || bits == 0 || bits % 8 != 0 ||
	    block != channels * bits / 8)
		return 0;
	return (uint64_t)rate * block;
}

/* False: it is no such file. */
static bool
wav_ms(struct str file, uint64_t *ms)
{
	uint64_t rate = 0;
	struct str rest;

	if (file.n < 12 || memcmp(file.p, "RIFF", 4) != 0 ||
	    memcmp(file.p + 8, "WAVE", 4) != 0)
		return false;
	rest = str_from(file, 12);
	for (unsigned i = 0; i < CHUNKS_MAX && rest.n >= 8; i++) {
		struct str chunk = str_from(rest, 8);
		uint64_t size = number(rest.p + 4, 4);
		bool sound = memcmp(rest.p, "data", 4) == 0;

		if (sound && rate > 0) {
			/* whatever length it claims, a stream's is unknown */
			*ms = ((uint64_t)chunk.n * 1000 + rate - 1) / rate;
			return true;
		}
		if (sound || size > chunk.n)
			return false;
		if (memcmp(rest.p, "fmt ", 4) == 0)
			rate = rate_of(str_make(chunk.p, size));
		size += size % 2;
		if (size > chunk.n)
			return false;
		rest = str_from(chunk, size);
	}
	return false;
}

struct sound
sound_of(struct str file)
{
	struct sound s;

	if (wav_ms(file, &s.most_ms)) {
		s.likely_ms = s.most_ms;
		return s;
	}
	s.most_ms = (uint64_t)file.n * 1000 / SOUND_FLOOR;
	s.likely_ms = (uint64_t)file.n * 1000 / SOUND_LIKELY;
	return s;
}
