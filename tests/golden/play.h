#pragma once
/*
 * One request, answer, stream or error between a client dialect and an
 * adapter, as a worker drives them, with everything that changes from run to
 * run (ids, clock, credentials) fixed. What comes out is text.
 */
#include "adapters/adapter.h"
#include "base/buf.h"

enum client { CLIENT_CHAT, CLIENT_RESPONSES, CLIENT_MESSAGES, CLIENT_GEMINI };
#define CLIENTS 4

const char *client_name(enum client client);

struct play {
	const struct adapter *ad;
	const struct dialect *dialect;
	const struct wire *wire;
	bool converts;
	struct arena a;
	struct ask ask;
	struct conversation talk;
	struct target target;
	enum err err; /* of reading the request */
	const char *detail;
	struct usage usage; /* what is billed, after an answer */
	struct str model;   /* that answered, in the arena */
	uint64_t content;   /* bytes, where the usage is missing */
};

/* `request`: a file of requests/, which lives as long as the play. `whole`:
 * the adapter's own wire, even where it speaks the client's dialect as well
 * (its answers are files in that wire). */
void play_init(struct play *p, const struct adapter *ad, enum client client,
	       struct str request, bool own_wire);
void play_free(struct play *p);
/* What reaches the provider; or what is said to the client. */
void play_request(struct play *p, struct buf *out);
/* What the client gets. */
void play_answer(struct play *p, struct str body, struct buf *out);
/* `file`: the status, header fields, an empty line, the body. */
void play_error(struct play *p, struct str file, struct buf *out);
/* The stream in two pieces, the second begins at `split`; 0: every byte is
 * a piece. Each piece is freed behind its use. */
void play_stream(struct play *p, struct str stream, size_t split,
		 struct buf *out);
/* The usage and so on of the answer, a line. */
void play_bill(const struct play *p, struct buf *out);
/* Lines of a name and a JSON text as AWS's event stream. */
void play_frames(struct str lines, struct buf *out);
