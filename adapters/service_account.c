/* Google service accounts: from the key file to an access token. */
#include "adapters/service_account.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/sign.h"

#define SCOPE	  "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define LIFE_S	  3600u
#define GRANT	  "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"

static void
wipe(struct buf *b)
{
	bytes_wipe(b->p, b->n);
	buf_free(b);
}

void
service_account_wipe(struct service_account *s)
{
	wipe(&s->email);
	wipe(&s->key_id);
	wipe(&s->private_key);
	wipe(&s->token_uri);
}

static bool
take(struct json_value v, struct buf *out)
{
	return v.type == JSON_STRING && json_unescape(v, out) && !out->failed;
}

/* NULL, or what is wrong. */
static const char *
read_members(struct str json, struct service_account *out)
{
	static const char *const names[] = {"client_email", "private_key",
					    "private_key_id", "token_uri"};
	struct json_value v[ARRAY_LEN(names)];
	struct json_error error;

	if (!json_members(json, names, ARRAY_LEN(names), v, &error))
		return "is no JSON object";
	if (!take(v[0], &out->email) || out->email.n == 0)
		return "has no client_email";
	if (!take(v[1], &out->private_key) || out->private_key.n == 0)
		return "has no private_key";
	if (v[2].type != JSON_ABSENT && !take(v[2], &out->key_id))
		return "has a private_key_id that is no text";
	if (v[3].type == JSON_ABSENT)
		buf_add_cstr(&out->token_uri, TOKEN_URI);
	else if (!take(v[3], &out->token_uri))
		return "has a token_uri that is no text";
	return out->token_uri.failed ? "does not fit into memory" : NULL;
}

bool
service_account_read(struct str json, struct service_account *out,
		     const char **why)
{
	*out = (struct service_account){.email = BUF_INIT};
	*why = read_members(json, out);
	if (*why)
		service_account_wipe(out);
	return *why == NULL;
}

static void
put_member(struct json_out *o, const char *name, const struct buf *text)
{
	json_name(o, name);
	json_put_str(o, buf_str(text));
}

static void
put_header(struct buf *out, const struct service_account *s)
{
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "alg");
	json_put_str(&o, STR("RS256"));
	json_name(&o, "typ");
	json_put_str(&o, STR("JWT"));
	if (s->key_id.n > 0)
		put_member(&o, "kid", &s->key_id);
	json_close(&o, '}');
}

static void
put_claims(struct buf *out, const struct service_account *s, uint64_t now_s)
{
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	put_member(&o, "iss", &s->email);
	json_name(&o, "scope");
	json_put_str(&o, STR(SCOPE));
	put_member(&o, "aud", &s->token_uri);
	json_name(&o, "iat");
	json_put_u64(&o, now_s);
	json_name(&o, "exp");
	json_put_u64(&o, now_s + LIFE_S);
	json_close(&o, '}');
}

bool
service_account_ask(const struct service_account *s, uint64_t now_s,
		    struct buf *out)
{
	CLEANUP(buf_free) struct buf header = BUF_INIT, claims = BUF_INIT;
	CLEANUP(buf_free) struct buf sign = BUF_INIT;
	size_t begin;

	put_header(&header, s);
	put_claims(&claims, s, now_s);
	buf_add_cstr(out, "grant_type=" GRANT "&assertion=");
	begin = out->n;
	base64url_put(out, header.p, header.n);
	buf_add_char(out, '.');
	base64url_put(out, claims.p, claims.n);
	if (header.failed || claims.failed || out->failed ||
	    !sign_rs256(buf_str(&s->private_key), str_from(buf_str(out), begin),
			&sign))
		return false;
	buf_add_char(out, '.');
	base64url_put(out, sign.p, sign.n);
	return !out->failed;
}

/* What may stand in a header: visible ASCII. */
static bool
is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

bool
service_account_answer(struct str body, struct buf *token, uint64_t *life_s)
{
	static const char *const names[] = {"access_token", "expires_in"};
	struct json_value v[ARRAY_LEN(names)];
	struct json_error error;

	return json_members(body, names, ARRAY_LEN(names), v, &error) &&
	       take(v[0], token) && is_visible(buf_str(token)) &&
	       json_u64(v[1], life_s) && *life_s > 0 && *life_s <= 86400;
}
