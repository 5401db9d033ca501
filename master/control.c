/* What the admin process asks of the master. */
#include "master/control.h"

#include <string.h>
#include <sys/socket.h>

#include "admin/admin.h"
#include "base/log.h"
#include "master/reload.h"
#include "master/stop.h"
#include "master/upgrade.h"

static void
answer_as(struct master *m, enum control_kind kind, uint64_t id, bool ok,
	  struct str text)
{
	struct control answer;

	if (id == 0)
		return;
	memset(&answer, 0, sizeof(answer));
	answer.id = id;
	answer.kind = kind;
	answer.ok = ok;
	(void)str_copy(answer.text, sizeof(answer.text), text);
	/* A full queue: the admin process is stuck, its client gives up. */
	(void)!send(m->control[0], &answer, sizeof(answer),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
control_answer(struct master *m, uint64_t id, bool ok, struct str text)
{
	answer_as(m, CONTROL_RELOAD, id, ok, text);
}

void
control_answer_one(struct master *m, uint64_t id, bool ok, struct str text)
{
	answer_as(m, CONTROL_UPGRADE, id, ok, text);
}

void
control_read(struct master *m)
{
	struct control ask;

	while (recv(m->control[0], &ask, sizeof(ask), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(ask)) {
		if (ask.kind == CONTROL_RELOAD) {
			LOG_INFO("reload asked for", F_CSTR("by", "admin"));
			reload_ask(m, ask.id);
		} else if (ask.kind == CONTROL_UPGRADE) {
			LOG_INFO("upgrade asked for", F_CSTR("by", "admin"));
			upgrade_ask(m, ask.id);
		} else if (ask.kind == CONTROL_STOP) {
			stop_begin(m, STOP_GRACEFUL);
			control_answer(m, ask.id, true, STR_NONE);
		} else {
			control_answer(m, ask.id, false,
				       STR("the master does not know this"));
		}
	}
}
