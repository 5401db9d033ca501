/* Lists of addresses a key may be used from: any text is read without harm,
 * and what allows an address allows it in its mapped form too. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "shm/keys.h"
#include "tests/fuzz/replay.h"

static bool
allows_v4(const char *list, uint32_t address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	in.sin_addr.s_addr = address;
	return key_allows_address(list, (const struct sockaddr *)&in);
}

static bool
allows_mapped(const char *list, uint32_t address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	in6.sin6_addr.s6_addr[10] = 0xff;
	in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&in6.sin6_addr.s6_addr[12], &address, sizeof(address));
	return key_allows_address(list, (const struct sockaddr *)&in6);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	char list[KEY_ALLOW] = "";
	uint32_t address = 0;

	memcpy(&address, input, MIN_OF(n, sizeof(address)));
	memcpy(list, input, MIN_OF(n, sizeof(list) - 1));
	if (allows_v4(list, address) != allows_mapped(list, address))
		abort();
	address = htonl(0x0a000001);
	if (allows_v4(list, address) != allows_mapped(list, address))
		abort();
	return 0;
}
