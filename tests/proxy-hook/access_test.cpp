// Users and TLS: which options are refused, and what stands in the ini.
#include <gtest/gtest.h>

#include <functional>

#include "proxy-hook/access.h"

namespace stolon::proxy {
namespace {

AccessOptions with(const std::function<void(AccessOptions &)> &change) {
	AccessOptions options;
	options.auth_file = "/etc/users";
	change(options);
	return options;
}

std::string refusal(AccessOptions options) {
	core::Status status = complete_access(options);
	return status ? "" : status.error().message;
}

TEST(Access, WhatContradictsItselfIsRefusedByName) {
	struct Case {
		std::function<void(AccessOptions &)> change;
		std::string said;  ///< part of the message; empty: accepted
	};
	const std::vector<Case> cases = {
	    {[](auto &) {}, ""},
	    {[](auto &o) { o.auth_file = ""; }, "--auth-user"},
	    {[](auto &o) { o.auth_file = "", o.auth_type = "pam"; }, ""},
	    {[](auto &o) { o.auth_file = "", o.auth_user = "asks"; }, ""},
	    {[](auto &o) { o.auth_user = "asks", o.auth_type = "pam"; }, "pam"},
	    {[](auto &o) { o.auth_query = "select $1, $2"; }, "need --auth-user"},
	    {[](auto &o) { o.auth_dbname = "users"; }, "need --auth-user"},
	    {[](auto &o) { o.auth_user = "asks", o.auth_query = "select 1"; }, "no $1"},
	    {[](auto &o) { o.auth_user = "asks\nadmin_users = mallory"; }, "line break"},
	    {[](auto &o) { o.server.ca_file = "ca\n"; }, "line break"},
	    {[](auto &o) { o.client.sslmode = "require"; }, "--client-tls-cert-file"},
	    {[](auto &o) { o.client = {"require", "", "cert", "", "", ""}; }, "belong together"},
	    {[](auto &o) { o.client = {"require", "", "cert", "key", "", ""}; }, ""},
	    {[](auto &o) { o.client = {"verify-ca", "", "cert", "key", "", ""}; },
	     "--client-tls-ca-file"},
	    {[](auto &o) { o.server.sslmode = "require"; }, ""},
	    {[](auto &o) { o.server.sslmode = "verify-full"; }, "--server-tls-ca-file"},
	    {[](auto &o) { o.server = {"verify-full", "ca", "", "", "", ""}; }, ""},
	    {[](auto &o) { o.server = {"verify-ca", "ca", "cert", "", "", ""}; }, "belong together"},
	    {[](auto &o) { o.server.ca_file = "ca"; }, "no effect without --server-tls-sslmode"},
	    {[](auto &o) { o.server = {"disable", "ca", "", "", "", ""}; }, "no effect"},
	};
	for (const Case &one : cases) {
		const std::string said = refusal(with(one.change));
		EXPECT_EQ(said.empty(), one.said.empty()) << said << " / " << one.said;
		EXPECT_NE(said.find(one.said), std::string::npos) << said << " / " << one.said;
	}
}

TEST(Access, AFileThatCannotBeReadIsNamedWithItsOption) {
	AccessOptions options;
	options.auth_file = "/dev/null";
	EXPECT_TRUE(check_access(options, "").ok());
	options.server.ca_file = "/nonexistent/ca.crt";
	EXPECT_EQ(check_access(options, "").error().message,
	          "--server-tls-ca-file: cannot read /nonexistent/ca.crt: No such file or directory");
}

TEST(Access, AnOlderPgbouncerDoesNotGetWhatItDoesNotKnow) {
	AccessOptions options;
	EXPECT_TRUE(check_access(options, "PgBouncer 1.18.0").ok());
	options.auth_dbname = "users";
	EXPECT_FALSE(check_access(options, "PgBouncer 1.18.0").ok());
	EXPECT_FALSE(check_access(options, "").ok());
	EXPECT_TRUE(check_access(options, "PgBouncer 1.19.0").ok());
	EXPECT_TRUE(check_access(options, "PgBouncer 2.0").ok());
}

TEST(Access, OnlyWhatIsSetStandsInTheIni) {
	AccessOptions options;
	options.auth_file = "/u";
	EXPECT_EQ(render_access(options), "auth_type = scram-sha-256\nauth_file = /u\n");
	options.auth_user = "asks";
	options.client = {"require", "", "/c.crt", "/c.key", "", ""};
	options.server = {"verify-full", "/ca.crt", "", "", "tlsv1.3", ""};
	EXPECT_EQ(render_access(options),
	          "auth_type = scram-sha-256\nauth_file = /u\nauth_user = asks\n"
	          "auth_query = SELECT username, secret FROM stolon.pgbouncer_auth($1)\n"
	          "client_tls_sslmode = require\nclient_tls_cert_file = /c.crt\n"
	          "client_tls_key_file = /c.key\nserver_tls_sslmode = verify-full\n"
	          "server_tls_ca_file = /ca.crt\nserver_tls_protocols = tlsv1.3\n");
}

}  // namespace
}  // namespace stolon::proxy
