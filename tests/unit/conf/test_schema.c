#include "conf/schema.h"
#include "conf/value.h"
#include "tests/tap.h"

static void
each_key(const struct section *s,
	 void (*check)(const struct section *s, const struct key *key))
{
	for (unsigned i = 0; i < s->n; i++) {
		check(s, &s->keys[i]);
		if (s->keys[i].section)
			each_key(s->keys[i].section, check);
	}
}

static void
row_is_whole(const struct section *s, const struct key *key)
{
	CHECK(key->text && strlen(key->text) > 10);
	CHECK(key->at < s->size && key->n_at < s->size);
	CHECK((key->type == KEY_CHOICE) == (key->words != NULL));
	CHECK((key->type == KEY_GROUP_OF || key->type == KEY_LIST_OF ||
	       key->type == KEY_SECRETS) == (key->section != NULL));
	CHECK(section_key(s, str_of(key->name)) == key);
}

TEST(every_row_is_whole)
{
	each_key(&conf_top, row_is_whole);
}

/* Texts are bounded by their length, other values by min and max; the
 * default of a required or unset key is not one. */
static void
default_is_in_bounds(const struct section *s, const struct key *key)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	struct arena arena;
	union {
		uint64_t size;
		struct conf_address address;
		struct conf_url url;
		struct str text;
	} field;

	(void)s;
	if (key_shape(key) != SHAPE_SINGLE || key->usual == NULL)
		return;
	arena_init(&arena);
	if (!value_parse(key, str_of(key->usual), &field, &arena, &reason)) {
		printf("# %s: %.*s\n", key->name, STR_ARG(buf_str(&reason)));
		CHECK(false);
	}
	arena_free(&arena);
}

TEST(every_default_is_a_value_of_its_key)
{
	each_key(&conf_top, default_is_in_bounds);
}

TEST(fields_lie_where_the_table_says)
{
	struct conf c = {.workers = 7};
	struct conf_channel ch = {.idle_timeout_ms = 9, .n_keys = 3};
	const struct key *channels = section_key(&conf_top, STR("channels"));
	const struct key *k = section_key(&conf_top, STR("workers"));

	CHECK_INT(*(const uint32_t *)key_field_const(k, &c), 7);
	k = section_key(channels->section, STR("idle_timeout"));
	CHECK_INT(*(const uint32_t *)key_field_const(k, &ch), 9);
	k = section_key(channels->section, STR("keys"));
	CHECK_INT(schema_key_count(k, &ch), 3);
	CHECK(key_elements(k, &ch) == NULL);
	CHECK(key_field(k, &ch) == (void *)&ch.keys);
}

static const char *
guess(const char *name)
{
	const struct key *k = section_guess(&conf_top, str_of(name));

	return k ? k->name : "";
}

TEST(a_near_miss_is_guessed_and_a_far_one_is_not)
{
	CHECK_STR(guess("worker"), "workers");
	CHECK_STR(guess("wrokers"), "workers");
	CHECK_STR(guess("model"), "models");
	CHECK_STR(guess("statedir"), "state_dir");
	CHECK_STR(guess("acces_log"), "access_log");
	CHECK_STR(guess("completely_else"), "");
	CHECK_STR(guess("x"), "");
	CHECK_STR(guess("a_very_long_name_that_nobody_would_ever_write_in_a_"
			"configuration_file_at_all"),
		  "");
}

int
main(void)
{
	RUN(every_row_is_whole);
	RUN(every_default_is_a_value_of_its_key);
	RUN(fields_lie_where_the_table_says);
	RUN(a_near_miss_is_guessed_and_a_far_one_is_not);
	return tap_done();
}
