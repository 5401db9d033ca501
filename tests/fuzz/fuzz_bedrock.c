/* Bedrock's Converse: requests, answers, events and errors. */
#include "tests/fuzz/upstream.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const models[] = {
		"anthropic.claude-sonnet-4-20250514-v1:0",
		"us.anthropic.claude-opus-4-6-v1:0", "amazon.nova-2-lite-v1:0",
		"x", NULL};
	struct str in = {(const char *)data, size};

	return fuzz_upstream(&wire_bedrock, in, models);
}
