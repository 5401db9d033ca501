/* What only the master can do. It answers a reload once it is through; then
 * all that were asked up to this one are answered. */
#include "admin/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define WAITING_MAX 64u
#define PATIENCE_NS (60 * NS_PER_SEC)

struct waiting {
	struct waiting *next;
	uint64_t id;
	enum control_kind kind;
	uint64_t asked_ns;
	control_fn *done;
	void *user;
};

struct admin_control {
	int fd;
	uint64_t next_id;
	unsigned n;
	struct waiting *waiting;
};

struct admin_control *
admin_control_new(int fd)
{
	struct admin_control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	/* Above all ids of an earlier admin process. */
	c->next_id = clock_mono_ns();
	return c;
}

void
admin_control_free(struct admin_control *c)
{
	if (!c)
		return;
	while (c->waiting) {
		struct waiting *w = c->waiting;

		c->waiting = w->next;
		free(w);
	}
	free(c);
}

enum err
admin_control_ask(struct admin_control *c, enum control_kind kind,
		  control_fn *done, void *user)
{
	struct control ask;
	struct waiting *w;

	if (c->n >= WAITING_MAX)
		return E_OVERLOAD;
	w = calloc(1, sizeof(*w));
	if (!w)
		return E_NO_MEMORY;
	memset(&ask, 0, sizeof(ask));
	ask.id = w->id = c->next_id++;
	ask.kind = kind;
	if (send(c->fd, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		free(w);
		return E_OVERLOAD;
	}
	w->kind = kind;
	w->done = done;
	w->user = user;
	w->asked_ns = clock_mono_ns();
	w->next = c->waiting;
	c->waiting = w;
	c->n++;
	return E_OK;
}

static void
finish(struct admin_control *c, struct waiting **at, bool ok, const char *text)
{
	struct waiting *w = *at;

	*at = w->next;
	c->n--;
	w->done(w->user, ok, text);
	free(w);
}

void
admin_control_read(struct admin_control *c)
{
	struct control answer;

	while (recv(c->fd, &answer, sizeof(answer), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(answer)) {
		struct waiting **at = &c->waiting;

		answer.text[sizeof(answer.text) - 1] = '\0';
		while (*at) {
			bool meant = (*at)->id == answer.id ||
				     ((*at)->kind == CONTROL_RELOAD &&
				      answer.kind == CONTROL_RELOAD &&
				      (*at)->id < answer.id);

			if (meant)
				finish(c, at, answer.ok != 0, answer.text);
			else
				at = &(*at)->next;
		}
	}
}

void
admin_control_tick(struct admin_control *c, uint64_t now_ns)
{
	struct waiting **at = &c->waiting;

	while (*at) {
		if (now_ns - (*at)->asked_ns > PATIENCE_NS)
			finish(c, at, false, "the master does not answer");
		else
			at = &(*at)->next;
	}
}
