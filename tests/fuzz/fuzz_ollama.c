/* Ollama: requests, answers, events and errors. */
#include "tests/fuzz/upstream.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const models[] = {"llama3.2", NULL};
	struct str in = {(const char *)data, size};

	return fuzz_upstream(&wire_ollama, in, models);
}
