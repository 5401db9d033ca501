/* The rows of errors.def as tables. */
#include "base/errors.h"

#include "base/must.h"

enum retry { NONE, OTHER };

static const struct err_row rows[E_COUNT] = {
/* clang-format off */
#define ERR(name, status, type, code, vocab, retry, text) \
	[name] = {#name, status, type, code, vocab, retry == OTHER, text},
#include "base/errors.def"
#undef ERR
	/* clang-format on */
};

/* The closed vocabulary. Ledger entries hold the index: only append. */
static const char *const words[] = {
	"",
	"caller_invalid_request",
	"caller_unauthorized",
	"caller_cancelled",
	"caller_model_unknown",
	"caller_too_large",
	"policy_balance",
	"policy_budget",
	"policy_rate_requests",
	"policy_rate_tokens",
	"policy_model",
	"policy_guardrail",
	"policy_key_expired",
	"provider_auth",
	"provider_billing",
	"provider_rate_limited",
	"provider_overloaded",
	"provider_server_error",
	"provider_timeout",
	"provider_connect",
	"provider_bad_response",
	"provider_content_filter",
	"provider_model_mismatch",
	"gateway_overload",
	"gateway_no_channel",
	"gateway_ledger",
	"gateway_draining",
	"gateway_internal",
	"gateway_hedged",
};

const struct err_row *
err_row(enum err e)
{
	must(e < E_COUNT);
	return &rows[e];
}

uint8_t
err_vocab_id(enum err e)
{
	struct str word = str_of(err_row(e)->vocab);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(str_of(words[i]), word))
			return (uint8_t)i;
	must_fail("the error's word is in the vocabulary", __FILE__, __LINE__);
}

const char *
err_vocab_name(uint8_t id)
{
	return id < ARRAY_LEN(words) ? words[id] : "";
}
