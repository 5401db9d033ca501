#pragma once
/* What loadgen is told, and the request that follows from it. */
#include <stdbool.h>
#include <stddef.h>

struct options {
	int port;
	int connections;
	double seconds, warm_up;
	int body;
	int stream;
	const char *key;
	const char *model;
	const char *say; /* the front of the message */
	const char *path;
	int pause_ms; /* of a client that was refused; -1 = that is an error */
	int obey;     /* it waits as retry-after says */
	int fresh;    /* a connection for each request */
};

/* False: they are none; the usage was printed. */
bool options_read(struct options *o, int argc, char **argv);
/* The bytes of one request, to be freed; NULL: it does not fit. */
char *options_request(const struct options *o, size_t *n);
