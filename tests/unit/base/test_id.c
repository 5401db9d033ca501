#include <ctype.h>
#include <stdlib.h>

#include "base/id.h"
#include "tests/tap.h"

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, REQUEST_ID_BYTES);
}

TEST(request_ids_are_unique_over_two_processes)
{
	static struct request_id ids[20000];
	struct id_source a, b;
	bool unique = true;

	id_source_init(&a);
	id_source_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(ids); i += 2) {
		ids[i] = id_next(&a);
		ids[i + 1] = id_next(&b);
	}
	qsort(ids, ARRAY_LEN(ids), sizeof(ids[0]), compare);
	for (size_t i = 1; i < ARRAY_LEN(ids); i++)
		unique = unique && compare(&ids[i - 1], &ids[i]) != 0;
	CHECK(unique);
}

TEST(the_text_of_an_id_reads_back)
{
	char text[REQUEST_ID_TEXT];
	struct request_id id, back;
	struct id_source s;

	id_source_init(&s);
	id = id_next(&s);
	request_id_text(id, text);
	CHECK_INT(strlen(text), REQUEST_ID_TEXT - 1);
	CHECK(request_id_parse(str_of(text), &back));
	CHECK(memcmp(&id, &back, sizeof(id)) == 0);
}

TEST(what_is_no_id_is_refused)
{
	struct request_id id;

	CHECK(!request_id_parse(STR(""), &id));
	CHECK(!request_id_parse(STR("req_0123456789abcdef0123456789abcde"),
				&id));
	CHECK(!request_id_parse(STR("req_0123456789abcdef0123456789abcdeg"),
				&id));
	CHECK(!request_id_parse(STR("req_0123456789ABCDEF0123456789ABCDEF"),
				&id));
	CHECK(!request_id_parse(STR("rex_0123456789abcdef0123456789abcdef"),
				&id));
}

TEST(keys_are_43_base62_digits_and_differ)
{
	char a[KEY_TEXT], b[KEY_TEXT];
	bool digits = true;

	key_text_new(a);
	key_text_new(b);
	CHECK_INT(strlen(a), KEY_TEXT - 1);
	CHECK(strncmp(a, "tg_", 3) == 0);
	for (size_t i = 3; i < KEY_TEXT - 1; i++)
		digits = digits && isalnum((unsigned char)a[i]);
	CHECK(digits);
	CHECK(strcmp(a, b) != 0);
}

TEST(every_place_of_a_key_varies)
{
	bool varies[KEY_TEXT] = {false};
	char first[KEY_TEXT], text[KEY_TEXT];

	key_text_new(first);
	for (int i = 0; i < 200; i++) {
		key_text_new(text);
		for (size_t at = 3; at < KEY_TEXT - 1; at++)
			varies[at] = varies[at] || text[at] != first[at];
	}
	for (size_t at = 3; at < KEY_TEXT - 1; at++)
		CHECK(varies[at]);
}

int
main(void)
{
	RUN(request_ids_are_unique_over_two_processes);
	RUN(the_text_of_an_id_reads_back);
	RUN(what_is_no_id_is_refused);
	RUN(keys_are_43_base62_digits_and_differ);
	RUN(every_place_of_a_key_varies);
	return tap_done();
}
