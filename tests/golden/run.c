/*
 * The golden files of one adapter: run [--accept] FOLDER ADAPTER [CASE ...].
 * README.md says what they are. A case a file; --accept writes what was expected to be
 * what is.
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"
#include "tests/golden/play.h"
#include "tests/tap.h"

static struct {
	const char *folder;
	const struct adapter *ad;
	bool accept;
	char **cases; /* of requests/; NULL-terminated, none = all */
} run;

/* ---- files ---- */

static bool
read_all(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	size_t n = 1;

	buf_reset(out);
	if (!f)
		return false;
	while (n > 0) {
		char *room = buf_reserve(out, 65536);

		must(room != NULL);
		n = fread(room, 1, 65536, f);
		out->n += n;
	}
	(void)fclose(f);
	return true;
}

static void
write_all(const char *path, struct str text)
{
	FILE *f = fopen(path, "wb");

	must(f != NULL);
	must(fwrite(text.p, 1, text.n, f) == text.n);
	must(fclose(f) == 0);
}

static const char *
path_of(char out[static 512], const char *folder, const char *name,
	const char *ending)
{
	int n = snprintf(out, 512, "%s/%s/%s%s", run.folder, folder, name,
			 ending);

	must(n > 0 && n < 512);
	return out;
}

static const char *
own_path(char out[static 512], const char *name, const char *ending)
{
	return path_of(out, run.ad->name, name, ending);
}

static bool
read_client(const char *name, enum client client, struct buf *out)
{
	char path[512], ending[32];

	(void)snprintf(ending, sizeof(ending), ".%s", client_name(client));
	return read_all(path_of(path, "requests", name, ending), out);
}

/* ---- cases ---- */

static void
report(bool good, const char *name, const char *ending)
{
	tap_count++;
	tap_failed += !good;
	printf("%s %d - %s/%s%s\n", good ? "ok" : "not ok", tap_count,
	       run.ad->name, name, ending);
}

static void
show(const char *what, struct str text)
{
	printf("# %s:\n", what);
	while (text.n > 0)
		printf("#   %.*s\n", STR_ARG(str_cut(&text, '\n')));
}

/* What came out against the file's text. */
static bool
same(struct str got, struct str wanted)
{
	if (str_eq(got, wanted))
		return true;
	show("expected", wanted);
	show("came", got);
	return false;
}

static void
compare(const char *name, const char *ending, struct str got)
{
	CLEANUP(buf_free) struct buf wanted = BUF_INIT;
	char path[512];

	own_path(path, name, ending);
	if (run.accept)
		write_all(path, got);
	if (!read_all(path, &wanted))
		printf("# there is no %s\n", path);
	report(same(got, buf_str(&wanted)), name, ending);
}

/* ---- requests ---- */

/* A text that several clients' requests become; else NULL. */
static const struct buf *
shared_text(const struct buf *text)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		for (unsigned k = i + 1; k < CLIENTS; k++)
			if (text[i].n > 0 &&
			    str_eq(buf_str(&text[i]), buf_str(&text[k])))
				return &text[i];
	return NULL;
}

static void
request_ending(char out[static 32], unsigned client)
{
	(void)snprintf(out, 32, ".%s.request", client_name(client));
}

static void
accept_requests(const char *name, const struct buf *text)
{
	const struct buf *shared = shared_text(text);
	char path[512], ending[32];

	if (shared)
		write_all(own_path(path, name, ".request"), buf_str(shared));
	else
		(void)unlink(own_path(path, name, ".request"));
	for (unsigned i = 0; i < CLIENTS; i++) {
		request_ending(ending, i);
		own_path(path, name, ending);
		if (text[i].n > 0 &&
		    (!shared || !str_eq(buf_str(&text[i]), buf_str(shared))))
			write_all(path, buf_str(&text[i]));
		else
			(void)unlink(path);
	}
}

static void
check_request(const char *name, unsigned client, struct str got)
{
	CLEANUP(buf_free) struct buf wanted = BUF_INIT;
	char path[512], ending[32];

	request_ending(ending, client);
	if (!read_all(own_path(path, name, ending), &wanted) &&
	    !read_all(own_path(path, name, ".request"), &wanted))
		printf("# there is no %s\n", path);
	report(same(got, buf_str(&wanted)), name, ending);
}

static bool
is_wanted(const char *name)
{
	bool none = !run.cases[0];

	for (char **c = run.cases; !none && *c; c++)
		if (strcmp(*c, name) == 0)
			return true;
	return none;
}

static void
run_requests(const char *name)
{
	struct buf text[CLIENTS] = {BUF_INIT};
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct play p;

	for (unsigned i = 0; i < CLIENTS; i++) {
		if (!is_wanted(name) || !read_client(name, i, &body))
			continue;
		play_init(&p, run.ad, i, buf_str(&body), false);
		play_request(&p, &text[i]);
		play_free(&p);
	}
	if (run.accept)
		accept_requests(name, text);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (text[i].n > 0)
			check_request(name, i, buf_str(&text[i]));
		buf_free(&text[i]);
	}
}

/* ---- what comes back ---- */

enum back { BACK_ANSWER, BACK_ERROR, BACK_STREAM };

struct coming {
	enum back back;
	const char *name;
	const char *ending; /* of its file */
	struct buf bytes;   /* the provider's */
	struct buf bill;    /* must be the same for every client */
};

/* Once: the whole of it, or split. */
static void
play_once(const struct coming *c, struct play *p, size_t split, struct buf *out)
{
	struct str bytes = buf_str(&c->bytes);

	buf_reset(out);
	switch (c->back) {
	case BACK_ANSWER: play_answer(p, bytes, out); break;
	case BACK_ERROR: play_error(p, bytes, out); break;
	case BACK_STREAM: play_stream(p, bytes, split, out); break;
	}
}

static bool
bills_alike(struct coming *c, const struct play *p)
{
	CLEANUP(buf_free) struct buf bill = BUF_INIT;

	if (c->back == BACK_ERROR)
		return true;
	play_bill(p, &bill);
	if (c->bill.n == 0)
		buf_add_str(&c->bill, buf_str(&bill));
	return same(buf_str(&bill), buf_str(&c->bill));
}

/* The same client's text and the same bill, however the bytes come. */
static bool
splits_alike(struct coming *c, enum client client, struct str request,
	     struct str whole)
{
	CLEANUP(buf_free) struct buf got = BUF_INIT;
	struct play p;
	bool good = true;

	for (size_t at = 0; good && at < c->bytes.n; at++) {
		play_init(&p, run.ad, client, request, true);
		play_once(c, &p, at, &got);
		good = same(buf_str(&got), whole) && bills_alike(c, &p);
		if (!good)
			printf("# split at %zu\n", at);
		play_free(&p);
	}
	return good;
}

static void
run_coming(struct coming *c, enum client client)
{
	CLEANUP(buf_free) struct buf request = BUF_INIT, out = BUF_INIT;
	char ending[64];
	struct play p;

	if (!read_client(c->name, client, &request) &&
	    !read_client("text", client, &request))
		return;
	(void)snprintf(ending, sizeof(ending), "%s.%s", c->ending,
		       client_name(client));
	play_init(&p, run.ad, client, buf_str(&request), true);
	play_once(c, &p, c->bytes.n, &out);
	compare(c->name, ending, buf_str(&out));
	if (!bills_alike(c, &p))
		report(false, c->name, ending);
	if (c->back == BACK_STREAM &&
	    !splits_alike(c, client, buf_str(&request), buf_str(&out)))
		report(false, c->name, ending);
	play_free(&p);
}

static void
run_back(enum back back, const char *name, const char *ending)
{
	struct coming c = {.back = back, .name = name, .ending = ending};
	CLEANUP(buf_free) struct buf file = BUF_INIT;
	char path[512], bill[32];

	must(read_all(own_path(path, name, ending), &file));
	if (back == BACK_STREAM && run.ad->wire->framing == FRAMING_AWS)
		play_frames(buf_str(&file), &c.bytes);
	else
		buf_add_str(&c.bytes, buf_str(&file));
	for (unsigned i = 0; i < CLIENTS; i++)
		run_coming(&c, i);
	(void)snprintf(bill, sizeof(bill), "%s.bill", ending);
	if (back != BACK_ERROR)
		compare(name, bill, buf_str(&c.bill));
	buf_free(&c.bytes);
	buf_free(&c.bill);
}

/* ---- folders ---- */

/* The name before the first dot, if what follows is `ending`. */
static bool
is_case(const char *file, const char *ending, char name[static 256])
{
	const char *dot = strchr(file, '.');

	if (!dot || dot == file || strcmp(dot, ending) != 0)
		return false;
	(void)str_copy(name, 256, str_make(file, (size_t)(dot - file)));
	return true;
}

static void
run_folder(const char *folder, const char *ending, enum back back)
{
	struct dirent **files;
	char path[512], name[256];
	int n;

	n = scandir(path_of(path, folder, "", ""), &files, NULL, alphasort);
	must(n >= 0);
	for (int i = 0; i < n; i++) {
		if (is_case(files[i]->d_name, ending, name))
			run_back(back, name, ending);
		free(files[i]);
	}
	free(files);
}

/* Every request of any client, once. */
static void
run_all_requests(void)
{
	char path[512], name[256], last[256] = "", ending[32];
	struct dirent **files;
	int n = scandir(path_of(path, "requests", "", ""), &files, NULL,
			alphasort);

	must(n >= 0);
	for (int i = 0; i < n; i++) {
		for (unsigned k = 0; k < CLIENTS; k++) {
			(void)snprintf(ending, sizeof(ending), ".%s",
				       client_name(k));
			if (!is_case(files[i]->d_name, ending, name) ||
			    strcmp(name, last) == 0)
				continue;
			run_requests(name);
			memcpy(last, name, sizeof(last));
		}
		free(files[i]);
	}
	free(files);
}

int
main(int argc, char **argv)
{
	run.accept = argc > 1 && strcmp(argv[1], "--accept") == 0;
	if (argc < 3 + run.accept) {
		(void)fprintf(stderr,
			      "run [--accept] FOLDER ADAPTER [CASE ...]\n");
		return 2;
	}
	run.folder = argv[1 + run.accept];
	run.ad = adapter_find(str_of(argv[2 + run.accept]));
	run.cases = argv + 3 + run.accept;
	must(run.ad != NULL);
	run_all_requests();
	run_folder(run.ad->name, ".answer", BACK_ANSWER);
	run_folder(run.ad->name, ".error", BACK_ERROR);
	run_folder(run.ad->name, ".stream", BACK_STREAM);
	return tap_done();
}
