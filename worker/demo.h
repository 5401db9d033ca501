#pragma once
/*
 * The responder of the embedded provider: an HTTP server inside the worker,
 * on a socket that only this process may use, so that routing, sending and
 * streaming are the real ones. Words and counts come from adapters/demo.c.
 */
#include <stdbool.h>

#include "base/attrs.h"

struct call_target;
struct demo_server;
struct lane;
struct worker;

/* Host of lane i: "lane-i". */
#define DEMO_HOST "lane-"

/* NULL: no socket or no memory. */
struct demo_server *demo_server_new(struct worker *w);
void demo_server_free(struct demo_server *d);
NODISCARD bool demo_address(struct demo_server *d, const struct lane *l,
			    struct call_target *t);
