/* Forms: parts are found at every split; what readers differ in is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "http/multipart.h"
#include "tests/tap.h"

#define B "XbX"

/* What was found, as a line: "name[=|@file]at+n;" */
static bool
note(void *user, const struct multipart_part *p)
{
	struct buf *out = user;

	buf_printf(out, "%s%c%llu+%llu;", p->name, p->file ? '@' : '=',
		   (unsigned long long)p->at, (unsigned long long)p->n);
	return true;
}

/* "" for what is refused or has no end. */
static const char *
scan(struct str body, size_t step, struct buf *out)
{
	struct multipart m;
	enum err e = E_OK;

	buf_reset(out);
	multipart_init(&m, STR(B));
	for (size_t at = 0; at < body.n && e == E_OK; at += step) {
		size_t n = MIN_OF(step, body.n - at);
		char *copy = malloc(n);

		memcpy(copy, body.p + at, n);
		e = multipart_feed(&m, str_make(copy, n), note, out);
		free(copy);
	}
	buf_add_char(out, '\0');
	return e == E_OK && multipart_ended(&m) ? out->p : "";
}

#define NAMED(n) "Content-Disposition: form-data; name=\"" n "\"\r\n\r\n"

static const struct {
	const char *body, *found;
} good[] = {
	{"--" B "\r\n" NAMED("model") "m-1\r\n--" B "--\r\n", "model=55+3;"},
	{"--" B "\r\n" NAMED("a") "\r\n--" B "--", "a=51+0;"},
	/* marks that are none */
	{"--" B "\r\n" NAMED("a") "\r\r\n--Xb\r\n-\r\r\n--Xb\r\n--" B "--",
	 "a=51+17;"},
	{"--" B "\r\ncontent-disposition:form-data;filename=\"a;b\\\"c\"; "
	 "name=f\r\nContent-Type: image/png\r\n\r\n12345\r\n--" B
	 "\r\n" NAMED("n") "2\r\n--" B "--\r\n",
	 "f@91+5;n=149+1;"},
	{"--" B "\r\nContent-Transfer-Encoding: binary\r\n" NAMED(
		 "a") "x\r\n--" B "--",
	 "a=86+1;"},
};

TEST(parts_are_found_at_every_split)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
		struct str body = str_of(good[i].body);

		for (size_t step = 1; step <= body.n; step++)
			CHECK_STR(scan(body, step, &out), good[i].found);
	}
}

static const char *const bad[] = {
	"",
	"x",
	"--" B,
	"--" B "--",
	"\r\n--" B "\r\n" NAMED("a") "x\r\n--" B "--",
	"text\r\n--" B "\r\n" NAMED("a") "x\r\n--" B "--",
	"--" B "\r\n" NAMED("a") "x\r\n--" B "--text",
	"--" B "\r\n" NAMED("a") "x\r\n--" B "y\r\n" NAMED("b") "--" B "--",
	"--" B " \r\n" NAMED("a") "x\r\n--" B "--",
	"--" B "\n" NAMED("a") "x\r\n--" B "--",
	/* no name, two of them, two lines */
	"--" B "\r\n\r\nx\r\n--" B "--",
	"--" B "\r\nContent-Disposition: form-data\r\n\r\nx\r\n--" B "--",
	"--" B "\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n"
	"x\r\n--" B "--",
	"--" B
	"\r\nContent-Disposition: form-data; name=a\r\n" NAMED("b") "x\r\n--" B
								    "--",
	/* names that are read differently */
	"--" B "\r\nContent-Disposition: form-data; name*=UTF-8''a\r\n\r\n"
	"x\r\n--" B "--",
	"--" B "\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\n"
	"x\r\n--" B "--",
	"--" B "\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--" B
	"--",
	"--" B "\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--" B
	"--",
	"--" B "\r\nContent-Disposition : form-data; name=a\r\n\r\nx\r\n--" B
	"--",
	"--" B "\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx\r\n--" B
	"--",
	"--" B "\r\nContent-Disposition: form-data; name=a\n\r\n\r\nx\r\n--" B
	"--",
	"--" B "\r\nContent-Transfer-Encoding: base64\r\n" NAMED(
		"model") "bQ==\r\n--" B "--",
};

TEST(what_readers_differ_in_is_refused)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct str body = str_of(bad[i]);

		CHECK_STR(scan(body, body.n + 1, &out), "");
		CHECK_STR(scan(body, 1, &out), "");
	}
}

TEST(a_head_and_a_form_are_bounded)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT, body = BUF_INIT;

	buf_add_cstr(&body, "--" B "\r\nX: ");
	for (unsigned i = 0; i < MULTIPART_HEAD; i++)
		buf_add_char(&body, 'x');
	buf_add_cstr(&body, "\r\n" NAMED("a") "x\r\n--" B "--");
	CHECK_STR(scan(buf_str(&body), body.n, &out), "");
	buf_reset(&body);
	for (unsigned i = 0; i <= MULTIPART_PARTS; i++)
		buf_add_cstr(&body, "--" B "\r\n" NAMED("a") "x\r\n");
	buf_add_cstr(&body, "--" B "--");
	CHECK_STR(scan(buf_str(&body), body.n, &out), "");
}

static bool
stop(void *user, const struct multipart_part *p)
{
	(void)p;
	++*(unsigned *)user;
	return false;
}

TEST(the_scan_stops_where_it_is_told)
{
	static const char body[] =
		"--" B "\r\n" NAMED("a") "x\r\n--" B
					 "\r\n" NAMED("a") "x\r\n--" B "--";
	struct multipart m;
	unsigned n = 0;

	multipart_init(&m, STR(B));
	CHECK_INT(multipart_feed(&m, str_of(body), stop, &n), E_OK);
	CHECK_INT(n, 1);
	CHECK(!multipart_ended(&m));
}

static const struct {
	const char *type, *boundary;
} types[] = {
	{"multipart/form-data; boundary=abc", "abc"},
	{"Multipart/Form-Data;charset=utf-8;Boundary=\"a b:c\"", "a b:c"},
	{"multipart/form-data", ""},
	{"multipart/form-data; boundary=", ""},
	{"multipart/form-data; boundary=\"\"", ""},
	{"multipart/form-data; boundary=\"a ", ""},
	{"multipart/form-data; boundary=\"a \"", ""},
	{"multipart/form-data; boundary=a; boundary=b", ""},
	{"multipart/form-data; boundary=a\x01", ""},
	{"multipart/form-data; boundary=\"a\\b\"", ""},
	{"multipart/form-data; boundary", ""},
	{"multipart/mixed; boundary=abc", ""},
	{"application/json", ""},
	{"", ""},
	{"multipart/form-data; boundary=1234567890123456789012345678901234567"
	 "8901234567890123456789012345678901",
	 ""},
};

TEST(a_boundary_is_found_or_there_is_none)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		struct str b;
		bool found = multipart_boundary(str_of(types[i].type), &b);

		CHECK(found == (types[i].boundary[0] != '\0'));
		if (found)
			CHECK(str_eq(b, str_of(types[i].boundary)));
	}
}

int
main(void)
{
	RUN(parts_are_found_at_every_split);
	RUN(what_readers_differ_in_is_refused);
	RUN(a_head_and_a_form_are_bounded);
	RUN(the_scan_stops_where_it_is_told);
	RUN(a_boundary_is_found_or_there_is_none);
	return tap_done();
}
