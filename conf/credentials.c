/*
 * The credentials of a channel: which fit how they are presented, and where
 * access keys come from if they do not stand in the configuration.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "conf/rules.h"
#include "conf/value.h"

/* "AKIA..." and its secret, each from its own place. */
struct parts {
	struct str id;
	struct str secret;
	struct str session;
};

static bool
uses_aws(const struct conf_channel *ch)
{
	return ch->auth == CONF_AUTH_AWS ||
	       (ch->auth == CONF_AUTH_USUAL &&
		str_eq(ch->provider, STR("bedrock")));
}

static bool
fetch(struct conf *c, struct conf_where at, struct str reference,
      struct secret *out, struct buf *error)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	struct secret_request r = {reference, STR(""), 1, 8192};
	bool literal;

	if (reference.n > 0 &&
	    secret_fetch(c->vault, &r, out, &literal, &reason))
		return true;
	return conf_fault(error, at, "channels.keys", "%.*s",
			  STR_ARG(buf_str(&reason)));
}

/* The session token may be missing: only temporary keys have one. */
static bool
fetch_parts(struct conf *c, struct conf_credential *k, const struct parts *p,
	    struct buf *error)
{
	CLEANUP(buf_free) struct buf ignored = BUF_INIT;

	if (!fetch(c, k->where, p->id, &k->access_key_id, error) ||
	    !fetch(c, k->where, p->secret, &k->secret_access_key, error))
		return false;
	(void)fetch(c, k->where, p->session, &k->session_token, &ignored);
	return true;
}

static struct str
default_file(struct conf *c)
{
	const char *said = getenv("AWS_SHARED_CREDENTIALS_FILE");
	const char *home = getenv("HOME");

	if (said && *said)
		return arena_dup(c->arena, str_of(said));
	return arena_printf(c->arena, "%s/.aws/credentials", home ? home : "");
}

static struct str
ini_reference(struct conf *c, const struct conf_credential *k, const char *key)
{
	return arena_printf(c->arena, "ini:%.*s#%.*s.%s",
			    STR_ARG(k->credentials_file), STR_ARG(k->profile),
			    key);
}

static bool
from_profile(struct conf *c, struct conf_credential *k, struct buf *error)
{
	struct parts p;

	if (k->profile.n == 0)
		return k->credentials_file.n == 0 ||
		       conf_fault(error, k->where,
				  "channels.keys.credentials_file",
				  "needs a profile");
	if (secret_is_set(k->key) || secret_is_set(k->access_key_id) ||
	    secret_is_set(k->secret_access_key) ||
	    secret_is_set(k->session_token))
		return conf_fault(error, k->where, "channels.keys.profile",
				  "stands in place of the other keys");
	if (k->credentials_file.n == 0)
		k->credentials_file = default_file(c);
	p = (struct parts){ini_reference(c, k, "aws_access_key_id"),
			   ini_reference(c, k, "aws_secret_access_key"),
			   ini_reference(c, k, "aws_session_token")};
	k->profile = k->credentials_file = STR(""); /* taken: said above */
	return fetch_parts(c, k, &p, error);
}

/* What the tools of AWS do: the environment, if nothing else is said. */
static bool
from_environment(struct conf *c, struct conf_channel *ch, struct buf *error)
{
	static const struct parts p = {
		{"env:AWS_ACCESS_KEY_ID", 21},
		{"env:AWS_SECRET_ACCESS_KEY", 25},
		{"env:AWS_SESSION_TOKEN", 21},
	};

	if (!uses_aws(ch) || ch->n_keys > 0 || !getenv("AWS_ACCESS_KEY_ID"))
		return true;
	ch->keys = arena_zalloc(c->arena, sizeof(*ch->keys));
	if (!ch->keys)
		return conf_fault(error, ch->where, "channels.keys",
				  "out of memory");
	ch->n_keys = 1;
	ch->keys->where = ch->where;
	return fetch_parts(c, ch->keys, &p, error);
}

static bool
fits_header(struct secret s)
{
	return secret_is_set(s) && value_visible(secret_bytes(s));
}

static bool
check_access_key(const struct conf_channel *ch, const struct conf_credential *k,
		 struct buf *error)
{
	if (!uses_aws(ch))
		return conf_fault(error, k->where, "channels.keys",
				  "access_key_id, secret_access_key and "
				  "profile are for auth = \"aws\"");
	if (secret_is_set(k->key))
		return conf_fault(error, k->where, "channels.keys.key",
				  "does not go with access_key_id");
	if (!fits_header(k->access_key_id) ||
	    !secret_is_set(k->secret_access_key))
		return conf_fault(error, k->where, "channels.keys",
				  "access_key_id and secret_access_key go "
				  "together");
	if (secret_is_set(k->session_token) && !fits_header(k->session_token))
		return conf_fault(error, k->where,
				  "channels.keys.session_token",
				  "holds bytes that no header can carry");
	return ch->region.n > 0 ||
	       conf_fault(error, ch->where, "channels.region",
			  "is required: signatures name it");
}

static bool
check_key(const struct conf_channel *ch, uint32_t i, struct buf *error)
{
	const struct conf_credential *k = &ch->keys[i];

	if (secret_is_set(k->access_key_id) ||
	    secret_is_set(k->secret_access_key) ||
	    secret_is_set(k->session_token))
		return check_access_key(ch, k, error);
	return fits_header(k->key) ||
	       conf_fault(error, k->where, "channels.keys",
			  "key %u is empty or holds bytes that "
			  "no header can carry",
			  i + 1);
}

static bool
check_account(const struct conf_channel *ch, struct buf *error)
{
	if (!secret_is_set(ch->service_account))
		return ch->auth != CONF_AUTH_GOOGLE || ch->n_keys > 0 ||
		       conf_fault(error, ch->where, "channels.service_account",
				  "is required for auth = \"google\"");
	if (ch->n_keys > 0)
		return conf_fault(error, ch->where, "channels.service_account",
				  "stands in place of keys");
	return ch->auth == CONF_AUTH_USUAL || ch->auth == CONF_AUTH_GOOGLE ||
	       conf_fault(error, ch->where, "channels.service_account",
			  "is for auth = \"google\"");
}

static bool
check_hmac(const struct conf_channel *ch, struct buf *error)
{
	for (size_t i = 0; i < ch->hmac_header.n; i++) {
		char b = ch->hmac_header.p[i];

		if ((b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-')
			return conf_fault(error, ch->where,
					  "channels.hmac_header",
					  "must be of a-z, 0-9 and '-'");
	}
	return true;
}

/* Names are told from places by a letter, a sign. */
static bool
is_name(struct str s)
{
	bool digits = true;

	for (size_t i = 0; i < s.n; i++)
		digits = digits && s.p[i] >= '0' && s.p[i] <= '9';
	return !digits && value_visible(s);
}

static bool
label_key(struct conf *c, struct conf_channel *ch, uint32_t i,
	  struct buf *error)
{
	struct conf_credential *k = &ch->keys[i];

	k->label = k->name;
	if (k->name.n == 0) {
		k->label = arena_printf(c->arena, "%u", i);
		return k->label.n > 0 ||
		       conf_fault(error, k->where, "channels.keys",
				  "out of memory");
	}
	if (!is_name(k->name))
		return conf_fault(error, k->where, "channels.keys.name",
				  "'%s' is no name: use visible characters, "
				  "not digits alone",
				  k->name.p);
	for (uint32_t before = 0; before < i; before++)
		if (str_eq(ch->keys[before].name, k->name))
			return conf_fault(error, k->where, "channels.keys.name",
					  "the key '%s' is there twice",
					  k->name.p);
	return true;
}

bool
conf_credentials(struct conf *c, struct conf_channel *ch, struct buf *error)
{
	for (uint32_t i = 0; i < ch->n_keys; i++)
		if (!from_profile(c, &ch->keys[i], error))
			return false;
	if (!from_environment(c, ch, error))
		return false;
	if (ch->n_keys > CONF_CHANNEL_KEYS)
		return conf_fault(error, ch->where, "channels.keys",
				  "%u keys are too many for one channel: %u "
				  "at most; make a second channel for the rest",
				  ch->n_keys, CONF_CHANNEL_KEYS);
	for (uint32_t i = 0; i < ch->n_keys; i++)
		if (!check_key(ch, i, error) || !label_key(c, ch, i, error))
			return false;
	return check_account(ch, error) && check_hmac(ch, error);
}
