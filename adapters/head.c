/*
 * The head of a request to a provider: line, fields, credential. Written once
 * an attempt, without a printf but for signatures.
 */
#include "adapters/adapter.h"
#include "adapters/hmac.h"
#include "adapters/openai.h"
#include "adapters/sigv4.h"
#include "base/digits.h"

struct head {
	char *at;
	char *start;
};

/* Of the request line; the path below base_url. */
struct line {
	struct str method;
	struct str path;
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

/* The field a credential stands in as it is. */
static struct str
auth_field(enum auth auth)
{
	switch (auth) {
	case AUTH_X_API_KEY: return STR("x-api-key: ");
	case AUTH_GOOG_KEY: return STR("x-goog-api-key: ");
	case AUTH_API_KEY: return STR("api-key: ");
	case AUTH_USUAL:
	case AUTH_BEARER:
	case AUTH_GOOGLE:
	case AUTH_AWS:
	case AUTH_HMAC: break;
	}
	return STR("authorization: Bearer ");
}

static enum auth
auth_of(const struct adapter *ad, const struct target *t)
{
	enum auth auth = t->auth != AUTH_USUAL ? t->auth : ad->auth;

	/* Without its secret it is not an id but a key of its own. */
	return auth == AUTH_AWS && t->secret.n == 0 ? AUTH_BEARER : auth;
}

/* The lines that sign the request; {NULL, 0}: out of memory. */
static struct str
signed_lines(struct arena *a, enum auth auth, const struct target *t,
	     const struct line *line, const struct pieces *body)
{
	struct sigv4_scope scope = {t->credential, t->secret, t->region,
				    STR("bedrock"), t->now_s};
	struct str target = arena_join(a, t->path, line->path);
	struct str value;

	if (target.n == 0)
		return STR_NONE;
	if (auth == AUTH_AWS)
		return sigv4_lines(a, &scope, t->session, t->host, target,
				   body);
	value = hmac_value(a, t->credential, line->method, target, t->now_s,
			   body);
	if (value.n == 0)
		return STR_NONE;
	return arena_printf(a, "%.*s: %.*s\r\n", STR_ARG(t->signature_field),
			    STR_ARG(value));
}

/* What presents the credential, and the end of the head. */
static enum err
add_credential(struct arena *a, enum auth auth, const struct target *t,
	       const struct line *line, const struct pieces *body,
	       struct pieces *out)
{
	struct str lines;

	if (t->credential.n == 0) {
		pieces_add(out, STR("\r\n"));
	} else if (auth == AUTH_AWS || auth == AUTH_HMAC) {
		lines = signed_lines(a, auth, t, line, body);
		if (lines.n == 0)
			return E_NO_MEMORY;
		pieces_add(out, lines);
		pieces_add(out, STR("\r\n"));
	} else {
		pieces_add(out, auth_field(auth));
		pieces_add(out, t->credential);
		pieces_add(out, STR("\r\n\r\n"));
	}
	return E_OK;
}

/* A legacy completion was read as a chat, and is asked as one where there is
 * nothing else. */
static struct str
path_of(struct arena *a, const struct adapter *ad, const struct ask *ask,
	const struct target *t)
{
	const struct wire *wire = t->wire ? t->wire : ad->wire;
	bool own = wire == ad->wire || wire == ad->vectors;
	struct str (*path)(struct arena *, const struct ask *,
			   const struct target *) = wire->path;
	struct ask chat = *ask;
	struct str found;

	if (own && ad->path)
		path = ad->path;
	found = path(a, ask, t);
	if (found.p || ask->kind != ASK_COMPLETIONS)
		return found;
	chat.kind = ASK_CHAT;
	return path(a, &chat, t);
}

static struct str
fields_of(struct arena *a, const struct adapter *ad, const struct ask *ask,
	  const struct target *t)
{
	const struct wire *wire = t->wire ? t->wire : ad->wire;

	return wire->fields ? wire->fields(a, ask, t) : STR("");
}

static struct str
accepted(const struct ask *ask, const struct wire *wire)
{
	if (ask->kind == ASK_SERVICE)
		return STR("*/*");
	if (!ask->stream)
		return STR("application/json");
	switch (wire->framing) {
	case FRAMING_SSE: break;
	case FRAMING_LINES:
		return STR("application/x-ndjson, application/json");
	case FRAMING_AWS:
		return STR("application/vnd.amazon.eventstream, "
			   "application/json");
	}
	return STR("text/event-stream, application/json");
}

enum err
adapter_request(struct arena *a, const struct adapter *ad,
		const struct ask *ask, const struct target *t,
		const struct pieces *body, struct pieces *out)
{
	struct line line = {STR("POST"), path_of(a, ad, ask, t)};
	struct str more = fields_of(a, ad, ask, t);
	struct head h;
	size_t room = 512 + t->host.n + t->path.n + line.path.n +
		      t->organization.n + t->project.n + more.n + ask->type.n;

	h.start = h.at = arena_alloc(a, room);
	if (!h.start || !line.path.p || !more.p)
		return E_NO_MEMORY;
	put(&h, STR("POST "));
	put(&h, t->path);
	put(&h, line.path);
	put(&h, STR(" HTTP/1.1\r\nhost: "));
	put(&h, t->host);
	put(&h, STR("\r\ncontent-type: "));
	put(&h, ask->type.n > 0 ? ask->type : STR("application/json"));
	put(&h, STR("\r\naccept: "));
	put(&h, accepted(ask, t->wire ? t->wire : ad->wire));
	put(&h, STR("\r\naccept-encoding: identity\r\nuser-agent: "
		    "tollgate/" TOLLGATE_VERSION "\r\ncontent-length: "));
	h.at += digits_write(h.at, body->bytes);
	put(&h, STR("\r\n"));
	put(&h, more);
	if (ad->wire == &wire_openai) {
		put_field(&h, STR("openai-organization: "), t->organization);
		put_field(&h, STR("openai-project: "), t->project);
	}
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, str_make(h.start, (size_t)(h.at - h.start)));
	if (add_credential(a, auth_of(ad, t), t, &line, body, out) != E_OK)
		return E_NO_MEMORY;
	for (unsigned i = 0; i < body->n; i++)
		pieces_add(out, str_make(body->iov[i].iov_base,
					 body->iov[i].iov_len));
	return E_OK;
}

/* ---- health checks ---- */

/* The list of models below base_url, whose path may have the first segment
 * already: a version, or Ollama's /api. */
static struct str
list_path(const struct adapter *ad, const struct target *t)
{
	struct str list = str_of(ad->wire->list);
	struct str first = list;

	first.n = 1 + (size_t)str_find(str_from(list, 1), '/');
	if (openai_has_version(t->path) || str_ends(t->path, first))
		return str_from(list, first.n);
	return list;
}

bool
adapter_has_list(const struct adapter *ad)
{
	return ad->wire->list && !ad->path;
}

enum err
adapter_probe(struct arena *a, const struct adapter *ad, const struct target *t,
	      const struct check *check, struct pieces *out)
{
	static const struct pieces none;
	struct line line = {check->method, check->path};
	struct target at = *t;
	struct ask ask = {.kind = ASK_CHAT};
	struct str more = fields_of(a, ad, &ask, t), head;

	if (check->path.n > 0)
		at.path = STR_NONE; /* from the host on */
	else if (adapter_has_list(ad))
		line.path = list_path(ad, t);
	else
		return E_NO_SERVICE;
	head = arena_printf(a,
			    "%.*s %.*s%.*s HTTP/1.1\r\nhost: %.*s\r\n"
			    "accept: */*\r\naccept-encoding: identity\r\n"
			    "user-agent: tollgate/" TOLLGATE_VERSION "\r\n"
			    "connection: close\r\n%.*s",
			    STR_ARG(line.method), STR_ARG(at.path),
			    STR_ARG(line.path), STR_ARG(t->host),
			    STR_ARG(more));
	if (!head.p || !more.p)
		return E_NO_MEMORY;
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, head);
	return add_credential(a, auth_of(ad, t), &at, &line, &none, out);
}
