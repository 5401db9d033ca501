#include "tests/bench/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRONT = 512, HEAD = 1024 };

static const struct option names[] = {
	{"port", required_argument, NULL, 'p'},
	{"connections", required_argument, NULL, 'c'},
	{"seconds", required_argument, NULL, 's'},
	{"warm-up", required_argument, NULL, 'w'},
	{"body", required_argument, NULL, 'b'},
	{"stream", no_argument, NULL, 'S'},
	{"key", required_argument, NULL, 'k'},
	{"model", required_argument, NULL, 'm'},
	{"say", required_argument, NULL, 'y'},
	{"path", required_argument, NULL, 'P'},
	{"pause", required_argument, NULL, 'r'},
	{"obey", no_argument, NULL, 'o'},
	{"fresh", no_argument, NULL, 'f'},
	{NULL, 0, NULL, 0}};

static int
number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static bool
take_option(struct options *o, int c)
{
	switch (c) {
	case 'p': o->port = number(optarg); break;
	case 'c': o->connections = number(optarg); break;
	case 's': o->seconds = strtod(optarg, NULL); break;
	case 'w': o->warm_up = strtod(optarg, NULL); break;
	case 'b': o->body = number(optarg); break;
	case 'S': o->stream = 1; break;
	case 'k': o->key = optarg; break;
	case 'm': o->model = optarg; break;
	case 'y': o->say = optarg; break;
	case 'P': o->path = optarg; break;
	case 'r': o->pause_ms = number(optarg); break;
	case 'o': o->obey = 1; break;
	case 'f': o->fresh = 1; break;
	default: return false;
	}
	return true;
}

bool
options_read(struct options *o, int argc, char **argv)
{
	bool fine = true;
	int c;

	*o = (struct options){.connections = 32,
			      .seconds = 3,
			      .warm_up = 1,
			      .body = 1024,
			      .key = "none",
			      .model = "gpt-4o",
			      .say = "",
			      .pause_ms = -1,
			      .path = "/v1/chat/completions"};
	while (fine && (c = getopt_long(argc, argv, "", names, NULL)) != -1)
		fine = take_option(o, c);
	if (o->obey && o->pause_ms < 0)
		o->pause_ms = 1000;
	if (fine && optind == argc && o->port > 0 && o->port < 65536 &&
	    o->connections > 0 && o->connections <= 15000 && o->seconds > 0 &&
	    o->warm_up >= 0 && o->body >= 0)
		return true;
	(void)fprintf(
		stderr,
		"usage: loadgen --port N [--connections N] [--seconds S]\n"
		"       [--warm-up S] [--body BYTES] [--stream] [--key K]\n"
		"       [--model M] [--say TEXT] [--path PATH]\n"
		"       [--pause MS] [--obey] [--fresh]\n");
	return false;
}

char *
options_request(const struct options *o, size_t *n)
{
	char front[FRONT];
	const char *tail = o->stream
				   ? "\"}],\"max_tokens\":256,\"stream\":true}"
				   : "\"}],\"max_tokens\":64}";
	int front_len = snprintf(front, sizeof(front),
				 "{\"model\":\"%s\",\"messages\":[{\"role\":"
				 "\"user\",\"content\":\"%s ",
				 o->model, o->say);
	size_t body = (size_t)o->body;
	size_t least = (size_t)front_len + strlen(tail);
	char *request;
	int head;

	if (front_len < 0 || front_len >= FRONT)
		return NULL;
	if (body < least)
		body = least;
	request = malloc(body + HEAD);
	if (!request)
		return NULL;
	head = snprintf(request, HEAD,
			"POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
			"authorization: Bearer %s\r\n"
			"content-type: application/json\r\n"
			"accept: application/json\r\n"
			"content-length: %zu\r\n\r\n",
			o->path, o->port, o->key, body);
	if (head < 0 || head >= HEAD) {
		free(request);
		return NULL;
	}
	*n = (size_t)head + body;
	memcpy(request + head, front, (size_t)front_len);
	memset(request + head + front_len, 'x', body - least);
	memcpy(request + *n - strlen(tail), tail, strlen(tail));
	return request;
}
