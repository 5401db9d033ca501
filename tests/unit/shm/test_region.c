/* Making and adopting the segment: the file is used, never believed. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/metrics.h"
#include "shm/region.h"
#include "shm/slots.h"
#include "tests/tap.h"

#define SLOTS	(2 * SLOT_PAGE)
#define WORKERS 3

struct place {
	char dir[64];
	char file[80];
};

static void
place_open(struct place *p)
{
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/test_region.XXXXXX");
	must(mkdtemp(p->dir));
	(void)snprintf(p->file, sizeof(p->file), "%s/state.shm", p->dir);
}

static void
place_close(const struct place *p)
{
	(void)unlink(p->file);
	must(rmdir(p->dir) == 0);
}

static enum region_verdict
open_there(const struct place *p, struct region *r, bool cold, const char **why)
{
	enum region_verdict v = REGION_NEW;

	CHECK_INT(region_open(r, p->dir, SLOTS, WORKERS, cold, &v, why), E_OK);
	return v;
}

TEST(a_segment_is_made_once_and_then_adopted)
{
	struct place p;
	struct region r;
	const char *why;

	place_open(&p);
	CHECK_INT(open_there(&p, &r, false, &why), REGION_NEW);
	CHECK(why);
	r.counters[5].available = 77;
	r.head->boot_epoch = 4;
	region_close(&r);
	CHECK_INT(open_there(&p, &r, false, &why), REGION_ADOPTED);
	CHECK(!why);
	CHECK_INT(r.counters[5].available, 77);
	CHECK_INT(r.head->boot_epoch, 4);
	region_close(&r);
	CHECK_INT(open_there(&p, &r, true, &why), REGION_NEW);
	CHECK_INT(r.counters[5].available, 0);
	CHECK_INT(r.head->n_slots, SLOTS);
	CHECK_INT(r.head->next_spawn_epoch, 1);
	region_close(&r);
	place_close(&p);
}

TEST(nobody_else_may_read_the_segment)
{
	struct place p;
	struct region r;
	struct stat st;
	const char *why;

	place_open(&p);
	(void)open_there(&p, &r, false, &why);
	must(stat(p.file, &st) == 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	region_close(&r);
	must(chmod(p.file, 0644) == 0);
	CHECK_INT(open_there(&p, &r, false, &why), REGION_NEW);
	region_close(&r);
	place_close(&p);
}

TEST(other_sizes_make_a_new_segment)
{
	struct place p;
	struct region r;
	enum region_verdict v;
	const char *why;

	place_open(&p);
	(void)open_there(&p, &r, false, &why);
	region_close(&r);
	CHECK_INT(region_open(&r, p.dir, SLOTS * 2, WORKERS, false, &v, &why),
		  E_OK);
	CHECK_INT(v, REGION_NEW);
	region_close(&r);
	CHECK_INT(
		region_open(&r, p.dir, SLOTS * 2, WORKERS + 1, false, &v, &why),
		E_OK);
	CHECK_INT(v, REGION_NEW);
	region_close(&r);
	place_close(&p);
}

/* Bytes of the head that a foreign or damaged file may have. */
static void
check_refused(size_t at, const void *bytes, size_t n)
{
	struct place p;
	struct region r;
	const char *why;
	int fd;

	place_open(&p);
	(void)open_there(&p, &r, false, &why);
	region_close(&r);
	fd = open(p.file, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n);
	(void)close(fd);
	CHECK_INT(region_view(&r, p.dir), E_INTERNAL);
	CHECK_INT(open_there(&p, &r, false, &why), REGION_NEW);
	CHECK(why && why[0]);
	region_close(&r);
	place_close(&p);
}

TEST(a_head_that_does_not_fit_is_not_adopted)
{
	uint8_t bytes[16];
	uint32_t many = UINT32_MAX, zero = 0;

	memset(bytes, 0xa5, sizeof(bytes));
	check_refused(0, bytes, 8);
	check_refused(7, bytes, 1);
	check_refused(offsetof(struct shm_head, layout_hash), bytes, 8);
	check_refused(offsetof(struct shm_head, boot_id), bytes, 16);
	check_refused(offsetof(struct shm_head, n_slots), &many, 4);
	check_refused(offsetof(struct shm_head, n_slots), bytes, 2);
	check_refused(offsetof(struct shm_head, n_workers), &zero, 4);
	check_refused(offsetof(struct shm_head, n_workers), &many, 4);
	check_refused(offsetof(struct shm_head, n_accounts), &many, 4);
	check_refused(offsetof(struct shm_head, n_keys), &many, 4);
	check_refused(offsetof(struct shm_head, next_spawn_epoch), &zero, 4);
}

TEST(a_file_of_another_length_is_not_adopted)
{
	static const off_t lengths[] = {0, 100, 4096, 1 << 20};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct place p;
		struct region r;
		const char *why;

		place_open(&p);
		(void)open_there(&p, &r, false, &why);
		region_close(&r);
		must(truncate(p.file, lengths[i]) == 0);
		CHECK_INT(region_view(&r, p.dir), E_INTERNAL);
		CHECK_INT(open_there(&p, &r, false, &why), REGION_NEW);
		region_close(&r);
		place_close(&p);
	}
}

TEST(a_link_in_the_place_of_the_segment_is_not_followed)
{
	struct place p;
	struct region r;
	struct stat st;
	const char *why;
	char target[96];

	place_open(&p);
	(void)snprintf(target, sizeof(target), "%s/elsewhere", p.dir);
	must(symlink(target, p.file) == 0);
	CHECK_INT(open_there(&p, &r, false, &why), REGION_NEW);
	CHECK(stat(target, &st) != 0);
	must(lstat(p.file, &st) == 0);
	CHECK(S_ISREG(st.st_mode));
	region_close(&r);
	place_close(&p);
}

TEST(a_tool_sees_the_segment_but_cannot_write_it)
{
	struct place p;
	struct region r, view;
	const char *why;

	place_open(&p);
	CHECK_INT(region_view(&view, p.dir), E_INTERNAL);
	(void)open_there(&p, &r, false, &why);
	r.counters[9].available = 123;
	CHECK_INT(region_view(&view, p.dir), E_OK);
	CHECK(!view.writable);
	CHECK_INT(view.counters[9].available, 123);
	CHECK_INT(view.head->n_workers, WORKERS);
	region_close(&view);
	region_close(&r);
	place_close(&p);
}

/* "" or why the segment is not inherited. */
static const char *
inherit(int fd)
{
	struct region r;
	const char *why = "";

	if (region_inherit(&r, fd, true, &why) != E_OK)
		return why;
	r.fd = -1; /* the caller's */
	region_close(&r);
	return "";
}

TEST(a_segment_is_inherited_by_its_descriptor_if_the_layout_is_ours)
{
	struct place p;
	struct region r, next;
	char mine[REGION_LAYOUT], other[REGION_LAYOUT];
	const char *why;

	place_open(&p);
	(void)open_there(&p, &r, false, &why);
	r.counters[5].available = 77;
	CHECK_INT(region_inherit(&next, dup(r.fd), true, &why), E_OK);
	CHECK_INT(next.counters[5].available, 77);
	CHECK_INT(next.head->n_slots, SLOTS);
	region_layout(&r, mine);
	region_layout(&next, other);
	CHECK_STR(mine, other);
	region_close(&next);
	r.head->layout_hash++;
	CHECK_STR(inherit(r.fd), "its layout is another one");
	region_layout(&r, other);
	CHECK(strcmp(mine, other) != 0);
	r.head->layout_hash--;
	r.head->magic[7]++;
	CHECK_STR(inherit(r.fd), "its layout is another one");
	r.head->magic[7]--;
	r.head->n_workers++;
	CHECK(inherit(r.fd)[0]);
	r.head->n_workers--;
	r.head->n_slots = UINT32_MAX;
	CHECK_STR(inherit(r.fd), "its head makes no sense");
	r.head->n_slots = SLOTS;
	CHECK_STR(inherit(r.fd), "");
	CHECK(inherit(-1)[0]);
	region_close(&r);
	place_close(&p);
}

TEST(a_directory_that_cannot_be_written_is_said_so)
{
	struct region r;
	enum region_verdict v;
	const char *why = NULL;

	CHECK_INT(region_open(&r, "/proc/nowhere", SLOTS, WORKERS, false, &v,
			      &why),
		  E_INTERNAL);
	CHECK(why && why[0]);
}

static void
check_apart(const void *a, uint64_t a_bytes, const void *b)
{
	CHECK((const uint8_t *)a + a_bytes <= (const uint8_t *)b);
	CHECK((uintptr_t)b % 4096 == 0);
}

TEST(areas_do_not_overlap)
{
	struct region r;

	must(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	check_apart(r.head, 4096, r.counters);
	check_apart(r.counters, sizeof(*r.counters) * SHM_COUNTERS, r.slots);
	check_apart(r.slots, sizeof(*r.slots) * (SLOTS + SHM_OWN_SLOTS),
		    r.notes);
	check_apart(r.notes, sizeof(*r.notes) * (SLOTS + SHM_OWN_SLOTS),
		    r.pages);
	check_apart(r.accounts, sizeof(*r.accounts) * SHM_ACCOUNTS, r.keys);
	CHECK((const uint8_t *)(r.metrics + WORKERS + 2) <=
	      (const uint8_t *)r.head + r.bytes);
	r.slots[SLOTS + SHM_OWN_SLOTS - 1].word = 1;
	r.keys[SHM_KEYS - 1].flags = 1;
	r.key_table[KEY_TABLE_SIZE - 1] = 1;
	region_close(&r);
	region_close(&r);
}

TEST(space_is_taken_before_it_is_used)
{
	struct place p;
	struct region r;
	struct stat before, after;
	const char *why;

	place_open(&p);
	(void)open_there(&p, &r, false, &why);
	must(fstat(r.fd, &before) == 0);
	CHECK_INT(region_reserve(&r, &r.accounts[1000], 1 << 20), E_OK);
	must(fstat(r.fd, &after) == 0);
	CHECK(after.st_blocks >= before.st_blocks + (1 << 20) / 512);
	CHECK_INT(after.st_size, before.st_size);
	region_close(&r);
	place_close(&p);
}

int
main(void)
{
	RUN(a_segment_is_made_once_and_then_adopted);
	RUN(nobody_else_may_read_the_segment);
	RUN(other_sizes_make_a_new_segment);
	RUN(a_head_that_does_not_fit_is_not_adopted);
	RUN(a_file_of_another_length_is_not_adopted);
	RUN(a_link_in_the_place_of_the_segment_is_not_followed);
	RUN(a_tool_sees_the_segment_but_cannot_write_it);
	RUN(a_segment_is_inherited_by_its_descriptor_if_the_layout_is_ours);
	RUN(a_directory_that_cannot_be_written_is_said_so);
	RUN(areas_do_not_overlap);
	RUN(space_is_taken_before_it_is_used);
	return tap_done();
}
