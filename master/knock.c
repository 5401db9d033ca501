/* Connections of probes, see knock.h. One socket, one deadline. */
#include "master/knock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "http/egress.h"
#include "http/tls.h"

struct knock {
	struct event_base *base;
	struct trial_plan plan;
	trial_done *done;
	void *user;
	struct event *event;
	int fd;
	uint64_t due_ns;
	struct tunnel *tunnel;	     /* once it is connected to a proxy */
	struct tls_probe *handshake; /* once it is connected */
};

void
knock_cancel(struct knock *k)
{
	if (k->event)
		event_free(k->event);
	tls_probe_free(k->handshake);
	tunnel_free(k->tunnel);
	if (k->fd >= 0)
		(void)close(k->fd);
	free(k);
}

/* `why`: "" = it went well. */
static void
finish(struct knock *k, const char *why)
{
	trial_done *done = k->done;
	void *user = k->user;

	knock_cancel(k);
	done(user, why[0] == '\0', why);
}

static void on_event(evutil_socket_t fd, short what, void *user);

/* Until the socket is ready; the whole has one deadline. */
static bool
wait_for(struct knock *k, short what)
{
	uint64_t now = clock_mono_ns();
	uint64_t left = k->due_ns > now ? k->due_ns - now : 0;
	struct timeval tv = {(time_t)(left / NS_PER_SEC),
			     (suseconds_t)(left % NS_PER_SEC / 1000)};

	if (k->event)
		event_free(k->event);
	k->event = event_new(k->base, k->fd, what, on_event, k);
	return k->event && event_add(k->event, &tv) == 0;
}

static void
wait_or_end(struct knock *k, short what)
{
	if (!wait_for(k, what))
		finish(k, "out of memory");
}

static void
handshake_step(struct knock *k)
{
	char why[TLS_WHY] = "";

	switch (tls_probe_step(k->handshake, why)) {
	case TLS_PROBE_READS: wait_or_end(k, EV_READ); return;
	case TLS_PROBE_WRITES: wait_or_end(k, EV_WRITE); return;
	case TLS_PROBE_WELL:
	case TLS_PROBE_FAILED: finish(k, why); return;
	}
}

/* From here on it is the upstream that answers. */
static void
inside(struct knock *k)
{
	if (!k->plan.tls) {
		finish(k, "");
		return;
	}
	k->handshake = tls_probe_new(k->plan.tls, k->fd, k->plan.host);
	if (k->handshake)
		handshake_step(k);
	else
		finish(k, "out of memory");
}

static void
tunnel_talk(struct knock *k)
{
	char why[TUNNEL_WHY] = "";

	switch (tunnel_step(k->tunnel, k->fd, why)) {
	case TUNNEL_READS: wait_or_end(k, EV_READ); return;
	case TUNNEL_WRITES: wait_or_end(k, EV_WRITE); return;
	case TUNNEL_FAILED: finish(k, why); return;
	case TUNNEL_OPEN: break;
	}
	tunnel_free(k->tunnel);
	k->tunnel = NULL;
	inside(k);
}

static void
connected(struct knock *k)
{
	if (!egress_is_proxied(k->plan.egress)) {
		inside(k);
		return;
	}
	k->tunnel = tunnel_new(k->plan.egress);
	if (k->tunnel)
		tunnel_talk(k);
	else
		finish(k, "out of memory");
}

/* What took too long. */
static const char *
late_words(const struct knock *k)
{
	if (k->handshake)
		return "the TLS handshake takes too long";
	if (k->tunnel)
		return "the proxy takes too long to answer";
	return egress_is_proxied(k->plan.egress)
		       ? "the connect to the proxy takes too long"
		       : "the connect takes too long";
}

static void
refused(struct knock *k, int error)
{
	char why[CHANNEL_REASON];

	(void)snprintf(why, sizeof(why), "%s%s",
		       egress_is_proxied(k->plan.egress) ? "the proxy: " : "",
		       strerror(error));
	finish(k, why);
}

static void
on_event(evutil_socket_t fd, short what, void *user)
{
	struct knock *k = user;
	int error = 0;
	socklen_t len = sizeof(error);

	if (what & EV_TIMEOUT) {
		finish(k, late_words(k));
		return;
	}
	if (k->tunnel) {
		tunnel_talk(k);
		return;
	}
	if (k->handshake) {
		handshake_step(k);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error)
		refused(k, error);
	else
		connected(k);
}

/* "" or why it failed at once. */
static const char *
start(struct knock *k)
{
	const struct channel_address *to = &k->plan.to;
	struct sockaddr_storage sa;
	const void *any = &sa;

	memset(&sa, 0, sizeof(sa));
	memcpy(&sa, to->sockaddr, MIN_OF(to->len, sizeof(to->sockaddr)));
	k->fd = egress_socket(k->plan.egress, sa.ss_family);
	if (k->fd < 0)
		return errno == EADDRNOTAVAIL
			       ? "this machine has no such source_address"
			       : "cannot make a socket";
	k->due_ns = clock_mono_ns() + k->plan.timeout_ms * NS_PER_MS;
	if ((connect(k->fd, any, to->len) == 0 || errno == EINPROGRESS) &&
	    wait_for(k, EV_WRITE))
		return "";
	return "cannot connect";
}

struct knock *
knock_begin(struct event_base *base, const struct trial_plan *plan,
	    trial_done *done, void *user, char why[CHANNEL_REASON])
{
	struct knock *k = calloc(1, sizeof(*k));
	const char *fault = "out of memory";

	if (k) {
		k->base = base;
		k->plan = *plan;
		k->done = done;
		k->user = user;
		k->fd = -1;
		fault = start(k);
	}
	if (fault[0] == '\0')
		return k;
	(void)str_copy(why, CHANNEL_REASON, str_of(fault));
	if (k)
		knock_cancel(k);
	return NULL;
}
