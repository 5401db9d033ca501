/* Access tokens in the segment. */
#include "base/must.h"
#include "shm/channels.h"
#include "shm/tokens.h"
#include "tests/tap.h"

static const uint8_t mine[TOKEN_OWNER] = {1}, other[TOKEN_OWNER] = {2};
static struct region r;
static uint32_t row;

static void
begin(void)
{
	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	row = channel_bind(&r, STR("main"));
}

static void
set(struct str token, uint64_t since, uint64_t until)
{
	token_set(&r, row, token,
		  &(struct token_times){since, until - 200, until});
}

static const char *
token(void)
{
	static char text[TOKEN_MAX + 1];
	uint32_t version;
	size_t n = token_get(&r, row, text, &version);

	text[n] = '\0';
	return text;
}

static uint32_t
version(void)
{
	char text[TOKEN_MAX];
	uint32_t v;

	(void)token_get(&r, row, text, &v);
	return v;
}

TEST(a_channel_that_needs_a_token_waits_for_it)
{
	begin();
	CHECK(token_usable(&r, row, 1000));
	CHECK(channel_usable(&r, row, 1000));
	CHECK(token_need(&r, row, mine) == E_OK);
	CHECK(!token_usable(&r, row, 1000));
	CHECK(!channel_usable(&r, row, 1000));
	CHECK_STR(token(), "");
	set(STR("ya29.first"), 1000, 2000);
	CHECK(token_usable(&r, row, 1999));
	CHECK(channel_usable(&r, row, 1999));
	CHECK_STR(token(), "ya29.first");
	CHECK_INT(r.tokens[row].renew_ns, 1800);
	CHECK(!token_usable(&r, row, 2000));
	CHECK(!channel_usable(&r, row, 2000));
	region_close(&r);
}

TEST(the_token_stays_over_reloads_of_the_same_account)
{
	begin();
	CHECK(token_need(&r, row, mine) == E_OK);
	set(STR("a"), 1000, 2000);
	CHECK(token_need(&r, row, mine) == E_OK);
	CHECK_STR(token(), "a");
	CHECK(token_need(&r, row, other) == E_OK);
	CHECK_STR(token(), "");
	CHECK(!token_usable(&r, row, 1500));
	region_close(&r);
}

TEST(a_channel_that_needs_none_any_more_has_none)
{
	begin();
	CHECK(token_need(&r, row, mine) == E_OK);
	set(STR("secret-token"), 1000, 2000);
	token_no_need(&r, row);
	CHECK(token_usable(&r, row, 5000));
	CHECK_STR(token(), "");
	for (unsigned i = 0; i < TOKEN_MAX; i++)
		CHECK(r.tokens[row].text[i] == 0);
	region_close(&r);
}

TEST(a_refused_version_is_not_used_and_the_next_one_is)
{
	uint32_t first, second;

	begin();
	CHECK(token_need(&r, row, mine) == E_OK);
	set(STR("a"), 1000, 2000);
	first = version();
	CHECK(!token_refused(&r, row));
	token_refuse(&r, row, first);
	CHECK(token_refused(&r, row));
	CHECK(!token_usable(&r, row, 1500));
	set(STR("b"), 1500, 2500);
	second = version();
	CHECK(second != first);
	CHECK(token_usable(&r, row, 1500));
	token_refuse(&r, row, first); /* who was slow to say so */
	CHECK(token_usable(&r, row, 1500));
	region_close(&r);
}

TEST(a_shorter_token_leaves_nothing_of_a_longer_one)
{
	char longest[TOKEN_MAX];

	begin();
	CHECK(token_need(&r, row, mine) == E_OK);
	memset(longest, 'x', sizeof(longest));
	set(str_make(longest, sizeof(longest)), 1000, 2000);
	CHECK_INT(strlen(token()), TOKEN_MAX);
	set(STR("short"), 1000, 2000);
	CHECK_STR(token(), "short");
	CHECK(r.tokens[row].text[5] == 0);
	CHECK(r.tokens[row].text[TOKEN_MAX - 1] == 0);
	region_close(&r);
}

TEST(a_row_that_its_master_left_half_written_hangs_nobody)
{
	begin();
	CHECK(token_need(&r, row, mine) == E_OK);
	set(STR("a"), 1000, 2000);
	atomic_fetch_add(&r.tokens[row].seq, 1);
	CHECK_STR(token(), "");
	set(STR("b"), 1000, 2000);
	CHECK_STR(token(), "b");
	r.tokens[row].n = TOKEN_MAX + 1; /* nonsense is not believed */
	CHECK_INT(strlen(token()), 1);
	region_close(&r);
}

int
main(void)
{
	RUN(a_channel_that_needs_a_token_waits_for_it);
	RUN(the_token_stays_over_reloads_of_the_same_account);
	RUN(a_channel_that_needs_none_any_more_has_none);
	RUN(a_refused_version_is_not_used_and_the_next_one_is);
	RUN(a_shorter_token_leaves_nothing_of_a_longer_one);
	RUN(a_row_that_its_master_left_half_written_hangs_nobody);
	return tap_done();
}
