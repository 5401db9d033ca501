/* tollgatectl prices import: needs no server. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/exits.h"
#include "tools/ctl.h"
#include "tools/prices.h"

/* The longest list; the one of LiteLLM is about 1 MiB. */
#define LIST_MAX (64u << 20)

static bool
read_file(const char *path, struct buf *out)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	char piece[65536];
	size_t n;
	bool fine = f != NULL;

	while (fine && (n = fread(piece, 1, sizeof(piece), f)) > 0) {
		buf_add(out, piece, n);
		fine = !out->failed && out->n <= LIST_MAX;
	}
	fine = fine && !ferror(f);
	if (!fine)
		(void)fprintf(stderr, "tollgatectl: %s: %s\n", path,
			      out->n > LIST_MAX ? "too large"
						: strerror(errno));
	if (f && f != stdin)
		(void)fclose(f);
	return fine;
}

static void
say_what_came(const struct price_list *l)
{
	(void)fprintf(stderr, "%.*s%u models, %u left out, %u prices rounded\n",
		      STR_ARG(buf_str(l->said)), l->taken, l->left_out,
		      l->rounded);
}

int
ctl_prices_import(const struct ctl *c, const struct ctl_words *w)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	CLEANUP(buf_free) struct buf said = BUF_INIT;
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const char *litellm = w->option[OPTION_LITELLM];
	const char *newapi = w->option[OPTION_NEWAPI];
	const char *only = w->option[OPTION_ONLY];
	struct price_list l = {.only = only ? str_of(only) : STR_NONE,
			       .out = &out,
			       .said = &said};
	bool fine;

	(void)c;
	if (!litellm == !newapi) {
		(void)fprintf(stderr, "tollgatectl: say either --litellm FILE "
				      "or --newapi FILE\n");
		return EXIT_USAGE;
	}
	if (!read_file(litellm ? litellm : newapi, &text))
		return EXIT_RUNTIME;
	buf_printf(&out, "# Imported from %s by tollgatectl prices import.\n",
		   litellm ? "a LiteLLM price map" : "New API ratios");
	fine = litellm ? prices_of_litellm(&l, buf_str(&text), &error)
		       : prices_of_newapi(&l, buf_str(&text), &error);
	if (!fine || out.failed || said.failed) {
		(void)fprintf(
			stderr, "tollgatectl: %s: %.*s\n",
			litellm ? litellm : newapi,
			STR_ARG(fine ? STR("out of memory") : buf_str(&error)));
		return EXIT_RUNTIME;
	}
	say_what_came(&l);
	return fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0
		       ? EXIT_FINE
		       : EXIT_RUNTIME;
}
