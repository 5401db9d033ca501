/* Legal disks; see world.h. */
#include "tests/faults/world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"

#define SECTOR 512u
#define PAGE   4096u

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void
world_clear(struct world *w)
{
	for (uint32_t i = 0; i < DISK_NODES; i++)
		free(w->file[i].data);
	memset(w, 0, sizeof(*w));
}

/* ---- what is safe ---- */

static void
file_write(struct world_file *f, const struct disk_op *op)
{
	uint64_t end = op->off + op->len;

	if (end > f->cap) {
		f->cap = end * 2;
		f->data = realloc(f->data, f->cap);
		must(f->data);
	}
	if (op->off > f->end)
		memset(f->data + f->end, 0, op->off - f->end);
	memcpy(f->data + op->off, disk->data + op->at, op->len);
	if (end > f->end)
		f->end = end;
	if (end > f->size)
		f->size = end;
}

static void
file_size(struct world_file *f, const struct disk_op *op)
{
	if (op->kind == DISK_GROW && f->size >= op->off)
		return;
	f->size = op->off;
	if (f->end > f->size)
		f->end = f->size;
}

static void
folder_forget(struct world_folder *d, const char *name)
{
	for (uint32_t i = 0; i < d->n; i++)
		if (strcmp(d->at[i].name, name) == 0) {
			d->at[i] = d->at[--d->n];
			return;
		}
}

static void
folder_add(struct world_folder *d, const char *name, uint32_t node)
{
	folder_forget(d, name);
	must(d->n < WORLD_NAMES);
	(void)strcpy(d->at[d->n].name, name);
	d->at[d->n++].node = node;
}

static void
folder_change(struct world_folder *d, const struct disk_op *op)
{
	if (op->kind == DISK_LINK)
		folder_add(d, op->name, op->other);
	if (op->kind == DISK_UNLINK)
		folder_forget(d, op->name);
	for (uint32_t i = 0; op->kind == DISK_RENAME && i < d->n; i++)
		if (strcmp(d->at[i].name, op->name) == 0) {
			uint32_t node = d->at[i].node;

			folder_forget(d, op->name);
			folder_add(d, op->name2, node);
			return;
		}
}

static void
make_safe(struct world *w, uint32_t op)
{
	const struct disk_op *o = &disk->op[op];

	if (o->kind == DISK_WRITE)
		file_write(&w->file[o->node], o);
	else if (o->kind == DISK_SIZE || o->kind == DISK_GROW)
		file_size(&w->file[o->node], o);
	else
		folder_change(&w->folder[o->node], o);
	w->version = mix(w->version ^ op);
}

/* All of `node`, or the one op. */
static void
sync_pending(struct world *w, uint32_t node, uint32_t only)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->n_pending; i++) {
		uint32_t op = w->pending[i];

		if (disk->op[op].node == node &&
		    (only == DISK_NONE || only == op))
			make_safe(w, op);
		else
			w->pending[kept++] = op;
	}
	w->n_pending = kept;
}

void
world_step(struct world *w, uint32_t op)
{
	const struct disk_op *o = &disk->op[op];

	switch ((enum disk_kind)o->kind) {
	case DISK_SYNC: sync_pending(w, o->node, DISK_NONE); break;
	case DISK_SYNCED: sync_pending(w, o->node, o->other); break;
	case DISK_MARK: break;
	case DISK_WRITE:
	case DISK_SIZE:
	case DISK_GROW:
	case DISK_LINK:
	case DISK_UNLINK:
	case DISK_RENAME:
		must(w->n_pending < WORLD_PENDING);
		w->pending[w->n_pending++] = op;
		break;
	}
}

/* ---- what of the rest ---- */

static struct world_choice
torn(const struct disk_op *op, uint64_t dice)
{
	struct world_choice c = {.fate = FATE_TORN};

	c.grain = dice & 1 ? SECTOR : PAGE;
	if (op->len <= c.grain)
		c.grain = SECTOR;
	if (dice & 2)
		c.dice = dice | 1;
	c.parts = 1 + (uint32_t)((dice >> 8) % (op->len / c.grain + 1));
	/* One sector is there or it is not. */
	if (op->kind != DISK_WRITE || op->len <= c.grain)
		c = (struct world_choice){.fate = dice & 4 ? FATE_THERE : 0};
	return c;
}

/* The chances of each round are others: most lost, most there. */
static struct world_choice
by_dice(const struct disk_op *op, uint64_t seed, uint32_t round)
{
	static const unsigned there[] = {128, 32, 224, 96};
	uint64_t dice = mix(seed ^ mix(round));

	if ((dice & 255) < 48)
		return torn(op, mix(dice));
	return (struct world_choice){
		.fate = (dice >> 8 & 255) < there[round % 4] ? FATE_THERE
							     : FATE_LOST};
}

uint64_t
world_choose(struct world *w, uint32_t round, uint64_t seed)
{
	uint64_t hash = w->version;

	for (uint32_t i = 0; i < w->n_pending; i++) {
		uint32_t op = w->pending[i];
		struct world_choice *c = &w->choice[i];
		const struct disk_op *o = &disk->op[op];

		if (round < 3)
			*c = (struct world_choice){.fate = round ? FATE_THERE
								 : FATE_LOST};
		else
			*c = by_dice(o, mix(seed ^ op), round);
		if (round == 2 && i + 1 == w->n_pending)
			*c = torn(o, mix(seed ^ op));
		if (c->fate != FATE_LOST)
			hash ^= mix(mix(op) + c->fate + c->grain * 4ull +
				    c->dice + c->parts * 65536ull);
	}
	return hash;
}

/* ---- on a real disk ---- */

static void
put(int fd, const uint8_t *p, uint64_t n, uint64_t off)
{
	must(pwrite(fd, p, n, (off_t)off) == (ssize_t)n);
}

static void
put_torn(int fd, const struct disk_op *op, const struct world_choice *c)
{
	const uint8_t *p = disk->data + op->at;
	uint32_t part = 0;

	for (uint64_t at = 0; at < op->len; at += c->grain, part++) {
		uint64_t n = op->len - at < c->grain ? op->len - at : c->grain;

		if (c->dice ? mix(c->dice + part) & 1 : part < c->parts)
			put(fd, p + at, n, op->off + at);
	}
}

static void
put_pending(const struct world *w, uint32_t node, int fd, uint64_t size)
{
	for (uint32_t i = 0; i < w->n_pending; i++) {
		const struct disk_op *op = &disk->op[w->pending[i]];
		const struct world_choice *c = &w->choice[i];
		struct stat st;

		if (op->node != node || c->fate == FATE_LOST)
			continue;
		must(fstat(fd, &st) == 0);
		size = (uint64_t)st.st_size;
		if (op->kind == DISK_WRITE && c->fate == FATE_THERE)
			put(fd, disk->data + op->at, op->len, op->off);
		else if (op->kind == DISK_WRITE)
			put_torn(fd, op, c);
		else if (op->kind == DISK_SIZE || op->off > size)
			must(ftruncate(fd, (off_t)op->off) == 0);
	}
}

static void
build_file(const struct world *w, uint32_t node, const char *path)
{
	const struct world_file *f = &w->file[node];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	if (f->end)
		put(fd, f->data, f->end, 0);
	must(ftruncate(fd, (off_t)f->size) == 0);
	put_pending(w, node, fd, f->size);
	(void)close(fd);
}

static void
build_folder(const struct world *w, uint32_t node, const char *path)
{
	struct world_folder d = w->folder[node];
	char at[256];

	for (uint32_t i = 0; i < w->n_pending; i++) {
		const struct disk_op *op = &disk->op[w->pending[i]];

		if (op->node == node && w->choice[i].fate != FATE_LOST)
			folder_change(&d, op);
	}
	for (uint32_t i = 0; i < d.n; i++) {
		must(snprintf(at, sizeof(at), "%s/%s", path, d.at[i].name) <
		     (int)sizeof(at));
		if (!disk->node[d.at[i].node].folder) {
			build_file(w, d.at[i].node, at);
			continue;
		}
		must(mkdir(at, 0700) == 0);
		build_folder(w, d.at[i].node, at);
	}
}

void
world_build(const struct world *w, const char *path)
{
	build_folder(w, 0, path);
}

static bool
has_pending(const struct world *w, uint32_t node)
{
	const struct world_folder *d = &w->folder[node];

	for (uint32_t i = 0; i < w->n_pending; i++)
		if (disk->op[w->pending[i]].node == node)
			return true;
	for (uint32_t i = 0; i < d->n; i++)
		if (has_pending(w, d->at[i].node))
			return true;
	return false;
}

bool
world_is_safe(const struct world *w)
{
	return !has_pending(w, 0);
}

void
world_print(const struct world *w)
{
	static const char *const kind[] = {
		[DISK_WRITE] = "write",	  [DISK_SIZE] = "size",
		[DISK_GROW] = "grow",	  [DISK_LINK] = "link",
		[DISK_UNLINK] = "unlink", [DISK_RENAME] = "rename",
	};
	static const char *const fate[] = {"lost", "there", "torn"};

	for (uint32_t i = 0; i < w->n_pending; i++) {
		const struct disk_op *op = &disk->op[w->pending[i]];

		printf("#   op %" PRIu32 " %s %s %" PRIu64 "+%" PRIu64 " %s\n",
		       w->pending[i], kind[op->kind], op->name, op->off,
		       op->len, fate[w->choice[i].fate]);
	}
}
