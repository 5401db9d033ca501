/*
 * The shared segment: making, adopting and viewing it. The master calls
 * region_open() once before the first fork; tools call region_view().
 *
 * What is hard: a file that is left from before must be used (it holds the
 * money of requests that were running) but must not be believed. And a page
 * that is not there when it is touched kills the process (SIGBUS on a full
 * tmpfs), so disk space is taken before an area is used.
 */
#include "shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "shm/accounts.h"
#include "shm/affinity.h"
#include "shm/books.h"
#include "shm/caps.h"
#include "shm/channels.h"
#include "shm/claims.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/metrics.h"
#include "shm/queue.h"
#include "shm/retries.h"
#include "shm/slots.h"
#include "shm/tokens.h"
#include "shm/workers.h"

#define LAYOUT_VERSION 11
#define SEGMENT_FILE   "state.shm"
#define HEAD_BYTES     4096u
#define PAGE_BYTES     4096u

_Static_assert(sizeof(struct shm_head) <= HEAD_BYTES, "head");

static const uint8_t magic[8] = {'T', 'G', 'S', 'H', 'M', 0, 0, LAYOUT_VERSION};

enum area {
#define AREA(field, type, count, writers) AREA_##field,
#include "shm/layout.def"
#undef AREA
	AREAS
};

struct area_row {
	const char *name;
	uint64_t size; /* of one */
	uint64_t count;
	uint64_t offset;
};

struct layout {
	struct area_row area[AREAS];
	uint64_t bytes;
	uint64_t hash;
};

static uint64_t
hash_add(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 1099511628211ull;
	return h;
}

static struct layout
layout_of(uint32_t slots, uint32_t workers)
{
	struct layout l = {
		.area =
			{
#define AREA(field, type, count, writers) \
	{#field, sizeof(type), (uint64_t)(count), 0},
#include "shm/layout.def"
#undef AREA
			},
		.bytes = HEAD_BYTES,
		.hash = 14695981039346656037ull,
	};

	for (int i = 0; i < AREAS; i++) {
		struct area_row *a = &l.area[i];

		a->offset = l.bytes;
		l.bytes += (a->size * a->count + PAGE_BYTES - 1) / PAGE_BYTES *
			   PAGE_BYTES;
		l.hash = hash_add(l.hash, a->name, strlen(a->name));
		l.hash = hash_add(l.hash, &a->size, sizeof(a->size));
		l.hash = hash_add(l.hash, &a->count, sizeof(a->count));
	}
	return l;
}

/* The id of this boot of the kernel: "xxxxxxxx-xxxx-...". */
static bool
boot_id_read(uint8_t id[16])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned nibbles = 0;

	if (fd >= 0)
		(void)close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && nibbles < 32; i++) {
		const char *digits = "0123456789abcdef";
		const char *d = strchr(digits, text[i]);

		if (!text[i] || !d)
			continue;
		id[nibbles / 2] =
			(uint8_t)(id[nibbles / 2] << 4 | (d - digits));
		nibbles++;
	}
	return nibbles == 32;
}

static void
region_point(struct region *r, void *base, const struct layout *l)
{
	uint8_t *p = base;

	r->head = base;
	r->bytes = l->bytes;
#define AREA(field, type, count, writers) \
	r->field = (void *)(p + l->area[AREA_##field].offset);
#include "shm/layout.def"
#undef AREA
}

static bool
region_map(struct region *r, int fd, bool writable, const struct layout *l)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, l->bytes,
		       writable ? PROT_READ | PROT_WRITE : PROT_READ,
		       flags | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return false;
	/* Neither money nor key hashes belong into a core file. */
	(void)madvise(p, l->bytes, MADV_DONTDUMP);
	memset(r, 0, sizeof(*r));
	r->fd = fd;
	r->writable = writable;
	region_point(r, p, l);
	return true;
}

static void
head_init(struct shm_head *h, uint32_t slots, uint32_t workers,
	  const struct layout *l)
{
	memcpy(h->magic, magic, sizeof(magic));
	h->layout_hash = l->hash;
	(void)boot_id_read(h->boot_id);
	h->n_slots = slots;
	h->n_workers = workers;
	h->next_spawn_epoch = 1;
	h->started_wall_ns = clock_wall_ns();
	random_bytes(h->table_secret, sizeof(h->table_secret));
}

enum err
region_reserve(struct region *r, const void *p, uint64_t bytes)
{
	uint64_t at = (uint64_t)((const uint8_t *)p - (uint8_t *)r->head);

	must(at <= r->bytes && bytes <= r->bytes - at);
	if (r->fd < 0 || bytes == 0)
		return E_OK;
	return posix_fallocate(r->fd, (off_t)at, (off_t)bytes) == 0
		       ? E_OK
		       : E_OVERLOAD;
}

/* What every start needs; rows of accounts and keys, books, and what belongs
 * to a worker are reserved as they come into use. */
static bool
reserve_fixed(struct region *r, const struct layout *l)
{
	static const enum area fixed[] = {
		AREA_slots,  AREA_notes,   AREA_pages,	 AREA_key_table,
		AREA_claims, AREA_workers, AREA_channels};

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		const struct area_row *a = &l->area[fixed[i]];
		const uint8_t *p = (const uint8_t *)r->head + a->offset;

		if (region_reserve(r, p, a->size * a->count) != E_OK)
			return false;
	}
	return region_reserve(r, r->head, HEAD_BYTES) == E_OK &&
	       region_reserve(r, metrics_of_writer(r),
			      2 * sizeof(struct metrics_block)) == E_OK;
}

/* NULL: everything fits; else what does not. */
static const char *
head_differs(const struct shm_head *h, const struct layout *l)
{
	uint8_t boot_id[16];

	if (memcmp(h->magic, magic, sizeof(magic)) != 0)
		return "it is of another layout version";
	if (h->layout_hash != l->hash)
		return "its sizes are not those of this configuration";
	if (!boot_id_read(boot_id) || memcmp(boot_id, h->boot_id, 16) != 0)
		return "the machine was started anew";
	if (h->n_accounts > SHM_ACCOUNTS || h->n_keys > SHM_KEYS ||
	    h->next_spawn_epoch == 0)
		return "its head makes no sense";
	return NULL;
}

/* Ours alone: a regular file of this user that nobody else may open. */
static const char *
file_differs(int fd, uint64_t bytes)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return "others may write it";
	if ((uint64_t)st.st_size != bytes)
		return "its size is another one";
	return NULL;
}

/* Maps the file that is there; NULL: adopted, else why not. */
static const char *
region_adopt(struct region *r, const char *path, const struct layout *l,
	     uint32_t slots, uint32_t workers)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	const char *why;

	if (fd < 0)
		return errno == ENOENT ? "there is none"
				       : "it cannot be opened";
	why = file_differs(fd, l->bytes);
	if (why || !region_map(r, fd, true, l)) {
		(void)close(fd);
		return why ? why : "it cannot be mapped";
	}
	why = head_differs(r->head, l);
	if (!why &&
	    (r->head->n_slots != slots || r->head->n_workers != workers))
		why = "its sizes are not those of this configuration";
	if (why)
		region_close(r);
	return why;
}

/* Makes a file beside the old one and puts it in its place when it is whole. */
static const char *
region_make(struct region *r, const char *path, const struct layout *l,
	    uint32_t slots, uint32_t workers)
{
	char fresh[1024];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path), fd;

	if (n < 0 || (size_t)n >= sizeof(fresh))
		return "the path of run_dir is too long";
	(void)unlink(fresh);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return "run_dir cannot be written";
	if (ftruncate(fd, (off_t)l->bytes) != 0 ||
	    !region_map(r, fd, true, l)) {
		(void)close(fd);
		(void)unlink(fresh);
		return "run_dir takes no file of that size";
	}
	head_init(r->head, slots, workers, l);
	if (reserve_fixed(r, l) && rename(fresh, path) == 0)
		return NULL;
	region_close(r);
	(void)unlink(fresh);
	return "run_dir has no room";
}

enum err
region_open(struct region *r, const char *run_dir, uint32_t n_slots,
	    uint32_t n_workers, bool cold, enum region_verdict *verdict,
	    const char **why)
{
	struct layout l = layout_of(n_slots, n_workers);
	char path[1000];
	int n = snprintf(path, sizeof(path), "%s/" SEGMENT_FILE, run_dir);
	const char *fault;

	must(n_slots % SLOT_PAGE == 0 && n_slots <= SHM_SLOTS_MAX);
	must(n_workers > 0 && n_workers <= SHM_WORKERS);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		*why = "the path of run_dir is too long";
		return E_INTERNAL;
	}
	*verdict = REGION_ADOPTED;
	*why = cold ? "a cold start was asked for"
		    : region_adopt(r, path, &l, n_slots, n_workers);
	if (!*why)
		return E_OK;
	*verdict = REGION_NEW;
	fault = region_make(r, path, &l, n_slots, n_workers);
	if (fault)
		*why = fault;
	return fault ? E_INTERNAL : E_OK;
}

/* What the file itself claims, if it is possible at all. */
static bool
head_read(int fd, struct shm_head *h)
{
	return pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
	       h->n_slots <= SHM_SLOTS_MAX && h->n_slots % SLOT_PAGE == 0 &&
	       h->n_workers > 0 && h->n_workers <= SHM_WORKERS;
}

enum err
region_inherit(struct region *r, int fd, bool writable, const char **why)
{
	struct shm_head h;
	struct layout l;

	*why = "its head makes no sense";
	if (!head_read(fd, &h))
		return E_INTERNAL;
	l = layout_of(h.n_slots, h.n_workers);
	*why = "its layout is another one";
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 ||
	    h.layout_hash != l.hash)
		return E_INTERNAL;
	*why = file_differs(fd, l.bytes);
	if (*why)
		return E_INTERNAL;
	*why = "it cannot be mapped";
	if (!region_map(r, fd, writable, &l))
		return E_INTERNAL;
	*why = head_differs(r->head, &l);
	if (!*why)
		return E_OK;
	r->fd = -1; /* stays the caller's */
	region_close(r);
	return E_INTERNAL;
}

void
region_layout(const struct region *r, char out[REGION_LAYOUT])
{
	(void)snprintf(out, REGION_LAYOUT, "%u-%016llx",
		       r->head->magic[sizeof(magic) - 1],
		       (unsigned long long)r->head->layout_hash);
}

enum err
region_view(struct region *r, const char *run_dir)
{
	char path[1000];
	int n = snprintf(path, sizeof(path), "%s/" SEGMENT_FILE, run_dir);
	const char *why;
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return E_INTERNAL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return E_INTERNAL;
	if (region_inherit(r, fd, false, &why) == E_OK)
		return E_OK;
	(void)close(fd);
	return E_INTERNAL;
}

enum err
region_anonymous(struct region *r, uint32_t n_slots, uint32_t n_workers)
{
	struct layout l = layout_of(n_slots, n_workers);

	must(n_slots % SLOT_PAGE == 0 && n_slots <= SHM_SLOTS_MAX);
	must(n_workers > 0 && n_workers <= SHM_WORKERS);
	if (!region_map(r, -1, true, &l))
		return E_NO_MEMORY;
	head_init(r->head, n_slots, n_workers, &l);
	return E_OK;
}

void
region_close(struct region *r)
{
	if (!r->head)
		return;
	(void)munmap(r->head, r->bytes);
	if (r->fd >= 0)
		(void)close(r->fd);
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}
