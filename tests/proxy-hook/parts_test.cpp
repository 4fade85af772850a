// What needs no process: the console's protocol, the configuration's text, the choice of backends.
#include <gtest/gtest.h>

#include "proxy-hook/admin.h"
#include "proxy-hook/bouncer.h"
#include "proxy-hook/ini.h"
#include "proxy-hook/pool_watch.h"
#include "proxy-hook/probe.h"

namespace stolon::proxy {
namespace {

std::string message(char type, const std::string &body) {
	const auto length = static_cast<std::uint32_t>(body.size() + 4);
	std::string out(1, type);
	for (int shift : {24, 16, 8, 0}) {
		out.push_back(static_cast<char>(length >> shift & 0xff));
	}
	return out + body;
}

std::string bytes(std::initializer_list<int> values) {
	std::string out;
	for (int value : values) {
		out.push_back(static_cast<char>(value));
	}
	return out;
}

const std::string ready = message('Z', "I");
const std::string login = message('R', bytes({0, 0, 0, 0})) + ready;
const std::string table =
    message('T', bytes({0, 2}) + std::string("a\0", 2) + std::string(18, '\0') +
                     std::string("b\0", 2) + std::string(18, '\0')) +
    message('D', bytes({0, 2, 0, 0, 0, 1}) + "x" + bytes({0xff, 0xff, 0xff, 0xff})) +
    message('C', std::string("SHOW\0", 5)) + ready;
const std::string failure =
    message('E', std::string("SERROR\0C08P01\0Mnot paused\0\0", 27)) + ready;

TEST(AdminProtocol, AnswersArriveWholeHoweverTheBytesAreCut) {
	const std::string stream = login + table + failure;
	for (std::size_t step = 1; step < stream.size(); step += 3) {
		AdminParser parser;
		for (std::size_t at = 0; at < stream.size(); at += step) {
			ASSERT_TRUE(parser.feed(std::string_view(stream).substr(at, step)));
		}
		ASSERT_EQ(parser.finished().size(), 3u);
		const AdminAnswer &rows = parser.finished()[1];
		EXPECT_EQ(rows.tag, "SHOW");
		EXPECT_EQ(rows.cell(0, "a"), "x");
		EXPECT_EQ(rows.cell(0, "b"), "");
		EXPECT_EQ(rows.cell(0, "c"), "");
		EXPECT_EQ(parser.finished()[2].error, "not paused");
	}
}

TEST(AdminProtocol, WhatIsNotTheProtocolIsRefused) {
	EXPECT_FALSE(AdminParser().feed("HTTP/1.1 400 Bad Request\r\n"));
	EXPECT_FALSE(AdminParser().feed(bytes({'Z', 0, 0, 0, 3})));
	EXPECT_FALSE(AdminParser().feed(message('R', bytes({0, 0, 0, 5}))));  // asks for a password
	EXPECT_FALSE(AdminParser().feed(message('T', bytes({0, 1}) + "a")));
	EXPECT_FALSE(AdminParser().feed(message('D', bytes({0, 1, 0, 0, 0, 9}) + "short")));
}

TEST(Probe, OnlyCannotConnectNowIsARefusal) {
	const std::string starting = message('E', std::string("SFATAL\0C57P03\0Mstarting\0\0", 25));
	EXPECT_EQ(is_refusal(starting), true);
	for (std::size_t size = 0; size < starting.size(); ++size) {
		EXPECT_EQ(is_refusal(starting.substr(0, size)), std::nullopt);
	}
	EXPECT_EQ(is_refusal(message('E', std::string("SFATAL\0C28000\0Mno entry\0\0", 25))), false);
	EXPECT_EQ(is_refusal(message('R', bytes({0, 0, 0, 10}))), false);
	EXPECT_EQ(is_refusal("E\x7f\xff\xff\xff"), false);
}

TEST(Ini, AllHostsOfAPortShareOneLine) {
	core::Result<std::string> text =
	    render_ini({}, {"/r/pgbouncer.ini", "/r/pgbouncer.log"},
	               {{"10.0.0.1", 5432}, {"10.0.0.2", 5432}}, "stolon.1");
	ASSERT_TRUE(text.ok()) << text.error().message;
	EXPECT_NE(text->find("\n* = host=10.0.0.1,10.0.0.2 port=5432\n"), std::string::npos);
	EXPECT_NE(text->find("\nsyslog_ident = stolon.1\n"), std::string::npos);
}

TEST(Ini, WhatWouldChangeItsMeaningIsRefused) {
	for (const core::Backend &backend :
	     {core::Backend{"a b", 1}, core::Backend{"a\n[x]", 1}, core::Backend{"", 1},
	      core::Backend{"a,b", 1}, core::Backend{"a", 0}, core::Backend{"a", 65536}}) {
		EXPECT_FALSE(render_ini({}, {}, {backend}, "m").ok()) << backend.host;
	}
	EXPECT_FALSE(render_ini({}, {}, {}, "m").ok());
	EXPECT_FALSE(render_ini({}, {}, {{"a", 1}, {"b", 2}}, "m").ok());
	PoolOptions options;
	options.pool_mode = "x\nadmin_users = mallory";
	EXPECT_FALSE(render_ini(options, {}, {{"a", 1}}, "m").ok());
}

TEST(HoldBack, AnOrderlyPauseWaitsForLoginsAndForClientsThatWillCauseSome) {
	AdminAnswer pools{"SHOW", "", {"cl_waiting", "sv_login"}, {{"0", "0"}, {"0", "0"}}};
	EXPECT_FALSE(is_unsettled(pools));
	pools.rows[1] = {"0", "1"};
	EXPECT_TRUE(is_unsettled(pools));
	pools.rows[1] = {"1", "0"};
	EXPECT_TRUE(is_unsettled(pools));
}

TEST(HoldBack, LastsUntilEachPoolWithWaitingClientsHasANewConnection) {
	AdminAnswer pools{
	    "SHOW", "", {"database", "user", "cl_waiting"}, {{"d", "u", "2"}, {"d", "v", "0"}}};
	AdminAnswer servers{"SHOW", "", {"database", "user", "state", "close_needed"}, {}};
	EXPECT_FALSE(are_logged_in(pools, servers));
	servers.rows = {{"d", "u", "active", "1"}, {"d", "u", "new", "0"}, {"d", "v", "idle", "0"}};
	EXPECT_FALSE(are_logged_in(pools, servers));
	servers.rows.push_back({"d", "u", "active", "0"});
	EXPECT_TRUE(are_logged_in(pools, servers));
	pools.rows.push_back({"other", "u", "1"});
	EXPECT_FALSE(are_logged_in(pools, servers));
}

TEST(Clients, AreCountedWithoutTheConsoles) {
	AdminAnswer pools;
	pools.columns = {"database", "user", "cl_active", "cl_waiting"};
	pools.rows = {
	    {"app", "a", "3", "2"}, {"pgbouncer", "pgbouncer", "2", "0"}, {"b", "a", "0", "4"}};
	EXPECT_EQ(count_clients(pools), (ClientCount{9, 6}));
}

TEST(Cut, OnlyConnectionsOfAnEarlierConfigurationAreObsolete) {
	AdminAnswer servers;
	servers.columns = {"database", "addr", "port", "local_port", "close_needed"};
	servers.rows = {{"app", "10.0.0.1", "5432", "40000", "1"},
	                {"app", "10.0.0.2", "5432", "40001", "0"}};
	EXPECT_EQ(connections_to_cut(servers, true),
	          (std::vector{ServerConnection{"app", "10.0.0.1", 5432, 40000}}));
	EXPECT_EQ(connections_to_cut(servers, false).size(), 2u);
	const core::Backend obsolete{"10.0.0.1", 5432};
	EXPECT_TRUE(connections_to_cut(servers, true, {obsolete}).empty());
	EXPECT_EQ(connections_to_cut(servers, false, {obsolete}).size(), 2u);
}

}  // namespace
}  // namespace stolon::proxy
