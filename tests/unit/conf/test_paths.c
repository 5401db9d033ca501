#include <stddef.h>
#include <sys/un.h>

#include "tests/unit/conf/help.h"

static const struct conf *
load_main(const char *prefix, const char **error)
{
	static char line[1024];
	CLEANUP(buf_free) struct buf e = BUF_INIT;
	const struct conf *c;

	if (!conf_load(in_folder("main.conf"), prefix, &c, &e))
		CHECK(c == NULL);
	(void)str_copy(line, sizeof(line), buf_str(&e));
	*error = line;
	return c;
}

TEST(relative_paths_lie_under_the_prefix)
{
	const struct conf *c;
	const char *error;

	(void)write_file("main.conf",
			 LISTEN "state_dir = \"books\"; run_dir = \"/r\"; "
				"error_log = \"e.log\"; access_log = \"-\";");
	c = load_main("/p", &error);
	CHECK_STR(error, "");
	CHECK_STR(c->state_dir.p, "/p/books");
	CHECK_STR(c->run_dir.p, "/r");
	CHECK_STR(c->error_log.p, "/p/e.log");
	CHECK_STR(c->access_log.p, "-");
	conf_free(c);
	CHECK(load_main(NULL, &error) == NULL);
	CHECK(strstr(error, "state_dir: a relative path needs a prefix (-p)"));
}

TEST(standard_error_may_be_written_as_a_dash)
{
	const struct conf *c = loaded(LISTEN "error_log = \"-\";");

	CHECK_INT(c->error_log.n, 0);
	conf_free(c);
}

TEST(sockets_lie_in_run_dir)
{
	const struct conf *c;
	const char *error;
	struct sockaddr_un un;

	(void)write_file("main.conf",
			 "listen = ( { address = \"unix:api.sock\"; }, "
			 "{ address = \"unix:/abs.sock\"; } );");
	c = load_main("/p", &error);
	CHECK_STR(error, "");
	CHECK_STR(c->listen[0].address.unix_path.p, "/p/run/api.sock");
	CHECK_STR(c->listen[1].address.unix_path.p, "/abs.sock");
	memcpy(&un, &c->listen[0].address.sa, sizeof(un));
	CHECK(un.sun_family == AF_UNIX);
	CHECK_STR(un.sun_path, "/p/run/api.sock");
	conf_free(c);
}

TEST(a_path_too_long_for_a_socket_is_refused)
{
	CHECK_STR(error_of("listen = ( { address = \"unix:/aaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaa\"; } ); run_dir = \"/"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaa\";"),
		  "");
	CHECK(strstr(error_of("listen = ( { address = \"unix:sock-sock-sock-"
			      "sock-sock-sock-sock-sock-sock\"; } ); run_dir = "
			      "\"/"
			      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			      "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\";"),
		     "listen.address: the path of a socket has at most 107 "
		     "bytes"));
}

TEST(a_certificate_is_read_beside_the_configuration)
{
	static const char key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n"
				  "-----END PRIVATE KEY-----\n";
	const struct conf *c;
	const char *error;

	(void)write_file("server.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
	(void)write_file("server.key", key);
	(void)write_file("main.conf",
			 "listen = ( { address = \"127.0.0.1:8443\"; "
			 "certificate = \"server.pem\"; private_key = "
			 "\"file:server.key\"; } );");
	c = load_main(NULL, &error);
	CHECK_STR(error, "");
	CHECK_STR(c->listen[0].certificate.p, in_folder("server.pem"));
	CHECK(str_starts(c->listen[0].certificate_pem, STR("-----BEGIN CERT")));
	CHECK_INT(secret_bytes(c->listen[0].private_key).n, strlen(key) - 1);
	conf_free(c);
	CHECK(unlink(in_folder("server.pem")) == 0);
	CHECK(load_main(NULL, &error) == NULL);
	CHECK(strstr(error, "server.pem: No such file or directory"));
}

int
main(void)
{
	RUN(relative_paths_lie_under_the_prefix);
	RUN(standard_error_may_be_written_as_a_dash);
	RUN(sockets_lie_in_run_dir);
	RUN(a_path_too_long_for_a_socket_is_refused);
	RUN(a_certificate_is_read_beside_the_configuration);
	remove_folder();
	return tap_done();
}
