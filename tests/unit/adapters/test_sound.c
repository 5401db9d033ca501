/* How long a file plays. */
#include "adapters/sound.h"
#include "tests/tap.h"

static void
put(char *at, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, v >>= 8)
		at[i] = (char)(v & 255);
}

/* 8 kHz, 16 bits, mono: 16 bytes a millisecond. */
static struct str
wav(char *out, uint32_t bytes)
{
	memset(out, 0, 44 + bytes);
	memcpy(out, "RIFF", 4);
	memcpy(out + 8, "WAVEfmt ", 8);
	put(out + 16, 16, 4);
	put(out + 20, 1, 2);
	put(out + 22, 1, 2);
	put(out + 24, 8000, 4);
	put(out + 28, 16000, 4);
	put(out + 32, 2, 2);
	put(out + 34, 16, 2);
	memcpy(out + 36, "data", 4);
	put(out + 40, bytes, 4);
	return str_make(out, 44 + bytes);
}

TEST(a_wav_file_says_it_exactly)
{
	char text[20000];
	struct sound s = sound_of(wav(text, 16000));

	CHECK_INT(s.most_ms, 1000);
	CHECK_INT(s.likely_ms, 1000);
	s = sound_of(wav(text, 17));
	CHECK_INT(s.most_ms, 2);
}

TEST(a_length_it_claims_is_not_believed)
{
	char text[20000];
	struct str file = wav(text, 16000);

	put(text + 40, 1, 4);
	CHECK_INT(sound_of(file).most_ms, 1000);
	put(text + 40, UINT32_MAX, 4);
	CHECK_INT(sound_of(file).most_ms, 1000);
}

/* One field of the head is wrong: then it is a file like others. */
TEST(a_head_that_does_not_fit_together_counts_as_none)
{
	static const struct {
		unsigned at, bytes;
		uint32_t v;
	} wrong[] = {{20, 2, 2},	 {22, 2, 0},	  {22, 2, 2},
		     {24, 4, 0},	 {24, 4, 768001}, {32, 2, 4},
		     {34, 2, 0},	 {34, 2, 12},	  {16, 4, 15},
		     {16, 4, UINT32_MAX}};

	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[20000];
		struct str file = wav(text, 16000);

		put(text + wrong[i].at, wrong[i].v, wrong[i].bytes);
		CHECK_INT(sound_of(file).most_ms, 16044);
		CHECK_INT(sound_of(file).likely_ms, 4011);
	}
}

TEST(a_file_cut_anywhere_is_read_safely)
{
	char text[2000];
	struct str file = wav(text, 1600);

	for (size_t n = 0; n < 44; n++)
		CHECK_INT(sound_of(str_make(file.p, n)).most_ms, (int64_t)n);
	CHECK_INT(sound_of(str_make(file.p, 60)).most_ms, 1);
}

int
main(void)
{
	RUN(a_wav_file_says_it_exactly);
	RUN(a_length_it_claims_is_not_believed);
	RUN(a_head_that_does_not_fit_together_counts_as_none);
	RUN(a_file_cut_anywhere_is_read_safely);
	return tap_done();
}
