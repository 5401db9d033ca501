/*
 * Runs a fuzz target over its seeds, without a fuzzer: each file of the
 * folder given, whole and cut off after each of its first bytes.
 */
#include "tests/fuzz/replay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST	 (1024 * 1024)
#define CUTS_MAX 2048

/* A copy of exactly `n` bytes, so that a sanitizer sees reads beyond. */
static void
run(const uint8_t *input, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (copy == NULL)
		abort();
	if (n)
		memcpy(copy, input, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static int
replay(const char *folder, const char *name, uint8_t *input)
{
	char path[4096];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL) {
		printf("# %s: %s\n", path, strerror(errno));
		return 1;
	}
	n = fread(input, 1, LARGEST, f);
	(void)fclose(f);
	for (size_t cut = 0; cut < n && cut < CUTS_MAX; cut++)
		run(input, cut);
	run(input, n);
	return 0;
}

int
main(int argc, char **argv)
{
	uint8_t *input = malloc(LARGEST);
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	int files = 0, bad = 0;

	while (dir && input) {
		struct dirent *e = readdir(dir);

		if (e == NULL)
			break;
		if (e->d_name[0] == '.')
			continue;
		files++;
		bad += replay(argv[1], e->d_name, input);
	}
	if (dir)
		(void)closedir(dir);
	free(input);
	printf("%s 1 - %d seeds are digested\n1..1\n",
	       files && !bad ? "ok" : "not ok", files);
	return files && !bad ? 0 : 1;
}
