#pragma once
/*
 * Requests that belong together, by a session, a user or their prefix, stay
 * with the channel whose provider has seen them: its cache knows them. Private
 * to worker/.
 */
#include <stdbool.h>

#include "http/msg.h"

struct offer;
struct request;

/* On the head: the session, if it has one. */
void affinity_head(struct request *req, const struct http_head *head);
/* What it belongs to, by the route or routing, into req->affinity. */
void affinity_choose(struct request *req);
/* Of the candidates the one that knows it, unless that has more than its share
 * of requests already; NULL: none. */
struct offer *affinity_pick(struct request *req, struct offer *const *c,
			    unsigned n);
/* The first content came from the channel of the attempt. */
void affinity_note(struct request *req);
/* It has settled: what the channel's cache was good for. */
void affinity_settled(const struct request *req);
