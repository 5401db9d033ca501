/*
 * GET /v1/usage. The admin process has the history; it gets the parameters
 * that it knows, nothing else of the request, and answers for this key.
 */
#include "base/json.h"
#include "worker/request.h"

#define VALUE_MAX 40u

static bool
is_parameter(struct str name)
{
	static const char *const names[] = {"from",   "to",    "group_by",
					    "format", "limit", "after"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

/* Letters, digits and what dates and lists are made of: no escapes needed. */
static bool
is_plain(struct str value)
{
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '-' || c == ','))
			return false;
	}
	return value.n > 0 && value.n <= VALUE_MAX;
}

static void
refuse(struct request *req, struct str name)
{
	req->err = E_BAD_FIELD;
	req->detail = arena_dup(&req->arena,
				str_make(name.p, MIN_OF(name.n, VALUE_MAX)))
			      .p;
	req->param = req->detail;
	reply_error(req);
}

/* The code of the admin process's error: the parameter that is wrong. */
static void
refused_inside(struct request *req, struct str text)
{
	struct json_value root;
	struct json_error error;
	CLEANUP(buf_free) struct buf name = BUF_INIT;

	if (json_valid(text, &root, &error) &&
	    json_unescape(json_get(json_get(root, "error"), "code"), &name))
		refuse(req, buf_str(&name));
	else
		refuse(req, STR("query"));
}

static void
no_history(struct request *req)
{
	req->err = E_HISTORY;
	reply_error(req);
}

static void
answered(struct request *req, int status, struct str text)
{
	struct buf *fields = &req->w->fields;

	if (status == 400) {
		refused_inside(req, text);
		return;
	}
	if (status != 200) {
		no_history(req);
		return;
	}
	reply_fields(req, fields);
	buf_printf(fields, "content-type: %.*s\r\ncache-control: no-store\r\n",
		   STR_ARG(req->inside->type));
	if (req->inside->next.n > 0)
		buf_printf(fields, "x-tollgate-next: %.*s\r\n",
			   STR_ARG(req->inside->next));
	req->status = 200;
	req->answered = true;
	exchange_reply(req->x, 200, buf_str(fields), text, 0);
}

void
page_usage(struct request *req)
{
	struct str query = req->query, path = STR("usage?");

	while (query.p) {
		struct str value = str_cut(&query, '&');
		struct str name = str_cut(&value, '=');

		/* the client's own key, perhaps */
		if (name.n == 0 || str_eq(name, STR("key")))
			continue;
		value = page_unescape(&req->arena, value);
		if (!is_parameter(name) || !is_plain(value)) {
			refuse(req, name);
			return;
		}
		path = arena_printf(&req->arena, "%.*s%.*s=%.*s&",
				    STR_ARG(path), STR_ARG(name),
				    STR_ARG(value));
	}
	/* the first one counts */
	if (str_ieq(req->accept, STR("text/csv")))
		path = arena_printf(&req->arena, "%.*sformat=csv",
				    STR_ARG(path));
	if (!path.p || !inside_ask(req, path, answered))
		no_history(req);
}
