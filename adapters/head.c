/*
 * The head of a request to a provider: line, fields, credential. Written once
 * an attempt, without a printf.
 */
#include "adapters/adapter.h"
#include "base/digits.h"

struct head {
	char *at;
	char *start;
};

static void
put(struct head *h, struct str s)
{
	if (s.n > 0)
		memcpy(h->at, s.p, s.n);
	h->at += s.n;
}

static void
put_field(struct head *h, struct str name, struct str value)
{
	if (value.n == 0)
		return;
	put(h, name);
	put(h, value);
	put(h, STR("\r\n"));
}

/* The field a credential stands in. */
static struct str
auth_field(enum auth auth)
{
	switch (auth) {
	case AUTH_BEARER:
	case AUTH_GOOGLE: return STR("authorization: Bearer ");
	case AUTH_X_API_KEY: return STR("x-api-key: ");
	case AUTH_GOOG_KEY: return STR("x-goog-api-key: ");
	case AUTH_API_KEY: return STR("api-key: ");
	case AUTH_AWS:
	case AUTH_HMAC: break;
	}
	return STR_NONE;
}

static struct str
path_of(struct arena *a, const struct adapter *ad, const struct ask *ask,
	const struct target *t)
{
	if (t->wire && t->wire != ad->wire)
		return t->wire->path(a, ask, t);
	return (ad->path ? ad->path : ad->wire->path)(a, ask, t);
}

enum err
adapter_request(struct arena *a, const struct adapter *ad,
		const struct ask *ask, const struct target *t,
		const struct pieces *body, struct pieces *out)
{
	struct str path = path_of(a, ad, ask, t);
	struct str field = auth_field(ad->auth);
	struct str more =
		ad->wire->fields ? ad->wire->fields(a, ask, t) : STR("");
	struct head h;
	size_t room = 512 + t->host.n + t->path.n + path.n + t->organization.n +
		      t->project.n + more.n;

	h.start = h.at = arena_alloc(a, room);
	if (!h.start || !path.p || !more.p)
		return E_NO_MEMORY;
	put(&h, STR("POST "));
	put(&h, t->path);
	put(&h, path);
	put(&h, STR(" HTTP/1.1\r\nhost: "));
	put(&h, t->host);
	put(&h, STR("\r\ncontent-type: application/json\r\naccept: "));
	put(&h, ask->stream ? STR("text/event-stream, application/json")
			    : STR("application/json"));
	put(&h, STR("\r\naccept-encoding: identity\r\nuser-agent: "
		    "tollgate/" TOLLGATE_VERSION "\r\ncontent-length: "));
	h.at += digits_write(h.at, body->bytes);
	put(&h, STR("\r\n"));
	put(&h, more);
	put_field(&h, STR("openai-organization: "), t->organization);
	put_field(&h, STR("openai-project: "), t->project);
	out->n = 0;
	out->bytes = 0;
	if (t->credential.n > 0)
		put(&h, field);
	pieces_add(out, str_make(h.start, (size_t)(h.at - h.start)));
	pieces_add(out, t->credential);
	pieces_add(out, t->credential.n > 0 ? STR("\r\n\r\n") : STR("\r\n"));
	for (unsigned i = 0; i < body->n; i++)
		pieces_add(out, str_make(body->iov[i].iov_base,
					 body->iov[i].iov_len));
	return E_OK;
}
