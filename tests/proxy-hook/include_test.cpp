// The operator's own settings: what is passed on, what is refused, and where it says so.
#include "proxy-hook/include.h"

#include <gtest/gtest.h>

#include "proxy-hook/ini.h"
#include "proxy-hook/trial.h"

namespace stolon::proxy {
namespace {

std::string problem_of(const std::string &text) {
	core::Result<Included> included = parse_included(text, "my.ini");
	return included ? std::string() : included.error().message;
}

std::string ini_of(const std::string &text) {
	PoolOptions options;
	options.included = *parse_included(text, "my.ini");
	return *render_ini(options, {"/r/pgbouncer.ini", "/r/pgbouncer.log"}, {{"10.0.0.1", 5432}},
	                   "stolon.1");
}

bool has_line(const std::string &text, const std::string &line) {
	return text.find("\n" + line + "\n") != std::string::npos;
}

TEST(Include, EveryDatabaseLeadsToTheMaster) {
	const std::string ini = ini_of(
	    "; comment\n"
	    "[databases]\n"
	    "app = pool_size=5 connect_query='select '' host=x '''\n"
	    "  sales=dbname=app user=clerk\n"
	    "empty =\n");
	EXPECT_TRUE(has_line(ini,
	                     "app = host=10.0.0.1 port=5432 pool_size=5 "
	                     "connect_query='select '' host=x '''"))
	    << ini;
	EXPECT_TRUE(has_line(ini, "sales = host=10.0.0.1 port=5432 dbname=app user=clerk"));
	EXPECT_TRUE(has_line(ini, "empty = host=10.0.0.1 port=5432"));
	EXPECT_TRUE(has_line(ini, "* = host=10.0.0.1 port=5432"));
}

TEST(Include, TheFallbackCanHavePoolSettings) {
	const std::string ini = ini_of("[databases]\n* = pool_size=2\n");
	EXPECT_TRUE(has_line(ini, "* = host=10.0.0.1 port=5432 pool_size=2"));
	EXPECT_FALSE(has_line(ini, "* = host=10.0.0.1 port=5432"));
}

TEST(Include, SettingsReplaceDefaultsAndTheMarkerStaysLast) {
	const std::string ini = ini_of(
	    "[users]\nclerk = pool_mode=session\n"
	    "[pgbouncer]\ntcp_keepidle = 60\nstats_users = monitor\n");
	EXPECT_TRUE(has_line(ini, "clerk = pool_mode=session"));
	EXPECT_TRUE(has_line(ini, "tcp_keepidle = 60"));
	EXPECT_FALSE(has_line(ini, "tcp_keepidle = 2"));
	EXPECT_TRUE(has_line(ini, "tcp_keepcnt = 3"));
	EXPECT_TRUE(has_line(ini, "stats_users = monitor"));
	EXPECT_TRUE(ini.ends_with("\nsyslog_ident = stolon.1\n"));
	// A section that is opened again sets all of it back.
	EXPECT_EQ(ini.find("[pgbouncer]"), ini.rfind("[pgbouncer]"));
}

TEST(Include, WhatIsWrongIsNamedWithItsPlace) {
	struct Case {
		std::string text, problem;
	};
	for (const Case &one : std::vector<Case>{
	         {"[databases]\n\napp = dbname=a host=db1\n", "my.ini:3: database \"app\" has a host"},
	         {"[databases]\napp = port=5432\n", "my.ini:2: database \"app\" has a port"},
	         {"[databases]\napp = port = 5432\n", "my.ini:2: database \"app\" has a port"},
	         {"[databases]\napp = 'x\n", "my.ini:2: the connection string of database \"app\""},
	         {"[databases]\napp = connect_query='x\n", "my.ini:2: the connection string"},
	         {"[pgbouncer]\nlisten_port = 1\n", "my.ini:2: \"listen_port\" cannot be set here"},
	         {"[pgbouncer]\npool_mode = session\n",
	          "my.ini:2: \"pool_mode\" cannot be set here: "
	          "use --pool-mode"},
	         {"[pgbouncer]\nnonsense\n", "my.ini:2: \"nonsense\" is neither"},
	         {"verbose = 1\n", "my.ini:1: \"verbose\" stands before the first section"},
	         {"[peers]\n", "my.ini:1: there is no section [peers]"},
	         {"%include other.ini\n", "my.ini:1: %include needs an absolute path"},
	         {"%include /nonexistent/x\n", "my.ini:1: "},
	     }) {
		EXPECT_TRUE(problem_of(one.text).starts_with(one.problem)) << problem_of(one.text);
	}
}

TEST(Include, WhatWasAcceptedIsReadAgain) {
	const std::string text =
	    "[databases]\na = pool_size=1\n[users]\nb = pool_mode=session\n[pgbouncer]\nverbose = 1\n";
	EXPECT_EQ(to_text(*parse_included(text, "my.ini")), text);
}

TEST(Include, AComplaintOfPgbouncersLeadsBackToTheOperatorsLine) {
	const Included included =
	    *parse_included("[databases]\napp = pool_mode=often\n[pgbouncer]\nverbose = x\n", "my.ini");
	EXPECT_EQ(explain("2026-01-01 00:00:00.000 UTC [1] ERROR invalid pool mode: often\n"
	                  "2026-01-01 00:00:00.000 UTC [1] ERROR invalid value \"host=h port=1 "
	                  "pool_mode=often\" for parameter app in configuration (/r/p.ini:3)\n"
	                  "2026-01-01 00:00:00.000 UTC [1] FATAL cannot load config file\n",
	                  included),
	          "my.ini:2: pgbouncer refuses it: invalid pool mode: often; invalid value \"host=h "
	          "port=1 pool_mode=often\" for parameter app; cannot load config file");
	EXPECT_EQ(explain("", included), "pgbouncer refuses it: it does not start");
}

}  // namespace
}  // namespace stolon::proxy
