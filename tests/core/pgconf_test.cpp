#include "core/pgconf/pgconf.h"

#include <gtest/gtest.h>

#include <map>

namespace stolon::core {
namespace {

NodeSettings node_settings() {
	NodeSettings node;
	node.cluster_name = "c1";
	node.keeper_uid = KeeperUid{"k1"};
	node.store_endpoints = "http://10.0.0.1:2379,http://10.0.0.2:2379";
	node.store_prefix = "stolon/cluster";
	node.advertise_host = "10.0.0.1";
	node.advertise_port = 15432;
	node.listen_addresses = "10.0.0.1";
	node.port = 5432;
	node.socket_directory = "/run/pg";
	node.replication_user = "stolon_repl";
	node.replication_credentials_file = "/data/replication.pgpass";
	return node;
}

const DbUid own{"0a1b2c3d"};
const Upstream upstream{"10.0.0.2", 5433, DbUid{"ffffffff"}};

std::string render(const NodeSettings &node, const ClusterSpec &spec, const Upstream &up,
                   bool electing = false) {
	const auto text = render_stolon_conf(node, spec, own, up, electing);
	EXPECT_TRUE(text.ok()) << text.error().message;
	return text.ok() ? *text : "";
}

/// The settings of a text, each of which may be there only once.
std::map<std::string, std::string> settings(const std::string &text) {
	std::map<std::string, std::string> values;
	for (std::size_t begin = 0; begin < text.size();) {
		const std::size_t end = text.find('\n', begin);
		const std::string line = text.substr(begin, end - begin);
		begin = end + 1;
		if (line.empty() || line[0] == '#')
			continue;
		const std::size_t equals = line.find(" = ");
		EXPECT_NE(equals, std::string::npos) << line;
		EXPECT_TRUE(values.emplace(line.substr(0, equals), line.substr(equals + 3)).second) << line;
	}
	return values;
}

ClusterSpec spec_with(std::map<std::string, std::string> parameters) {
	ClusterSpec spec;
	spec.pg_parameters = std::move(parameters);
	return spec;
}

TEST(StolonConf, IsTheSameTextForTheSameFacts) {
	EXPECT_EQ(render(node_settings(), spec_with({{"work_mem", "64MB"}}), upstream),
	          R"(# Written by stolon; every change made here is lost. Parameters are set in the
# cluster spec (pgParameters).
stolon.cluster_name = 'c1'
stolon.keeper_uid = 'k1'
stolon.store_endpoints = 'http://10.0.0.1:2379,http://10.0.0.2:2379'
stolon.store_prefix = 'stolon/cluster'
stolon.advertise_host = '10.0.0.1'
stolon.replication_user = 'stolon_repl'
stolon.replication_credentials_file = '/data/replication.pgpass'
stolon.advertise_port = 15432
shared_preload_libraries = 'stolon'
listen_addresses = '10.0.0.1'
port = 5432
unix_socket_directories = '/run/pg'
restart_after_crash = 'on'
hot_standby = 'on'
wal_level = 'replica'
wal_log_hints = 'on'
max_wal_senders = 27
max_replication_slots = 27
wal_keep_size = '128MB'
max_slot_wal_keep_size = 4096
recovery_target_timeline = 'latest'
wal_retrieve_retry_interval = 100
wal_receiver_timeout = 5000
wal_sender_timeout = 5000
primary_conninfo = 'host=''10.0.0.2'' port=''5433'' user=''stolon_repl'' )"
	          R"(passfile=''/data/replication.pgpass'' application_name=''stolon_0a1b2c3d'' )"
	          R"(sslmode=''prefer'' connect_timeout=''2'' keepalives=''1'' keepalives_idle=''1'' )"
	          R"(keepalives_interval=''1'' keepalives_count=''2'' tcp_user_timeout=''5000'' )"
	          R"(options=''-c tcp_user_timeout=60000'''
primary_slot_name = 'stolon_0a1b2c3d'
work_mem = '64MB'
)");
}

TEST(StolonConf, FollowsNobodyWithoutAnUpstream) {
	for (const Upstream &nobody : {Upstream{}, Upstream{"", 5433, DbUid{"ffffffff"}}}) {
		const auto values = settings(render(node_settings(), ClusterSpec{}, nobody));
		EXPECT_EQ(values.at("primary_conninfo"), "''");
		EXPECT_EQ(values.at("primary_slot_name"), "''");
	}
}

TEST(StolonConf, SlotsKeepABoundedAmountOfWal) {
	ClusterSpec spec;
	const auto bound = [&](std::uint64_t bytes) {
		spec.max_slot_wal_keep_size = bytes;
		return settings(render(node_settings(), spec, upstream)).at("max_slot_wal_keep_size");
	};
	EXPECT_EQ(bound(0), "-1");
	EXPECT_EQ(bound(1), "1");
	EXPECT_EQ(bound(64 * 1024 * 1024), "64");
	EXPECT_EQ(bound(64 * 1024 * 1024 + 1), "65");
	spec.pg_parameters["max_slot_wal_keep_size"] = "1GB";
	EXPECT_EQ(bound(1), "'1GB'");
}

TEST(StolonConf, KeepsSomeWalForRewindsUnlessTheUserSaysHowMuch) {
	ClusterSpec spec;
	const auto kept = [&] {
		return settings(render(node_settings(), spec, upstream)).at("wal_keep_size");
	};
	EXPECT_EQ(kept(), "'128MB'");
	spec.pg_parameters["wal_keep_size"] = "0";
	EXPECT_EQ(kept(), "'0'");
}

TEST(StolonConf, AnElectionShortensTheRetryInterval) {
	const auto retry = [](bool electing) {
		return settings(render(node_settings(), ClusterSpec{}, upstream, electing))
		    .at("wal_retrieve_retry_interval");
	};
	EXPECT_EQ(retry(false), "100");
	EXPECT_EQ(retry(true), "10");
}

TEST(StolonConf, TimeoutsComeFromFailInterval) {
	struct Case {
		Duration fail_interval;
		const char *stream_timeout;
		const char *keepalive;
	};
	for (const Case &c : {Case{seconds(1), "1000", "1"}, Case{milliseconds(2500), "2500", "1"},
	                      Case{seconds(30), "30000", "6"}}) {
		ClusterSpec spec;
		spec.fail_interval = c.fail_interval;
		const auto values = settings(render(node_settings(), spec, upstream));
		EXPECT_EQ(values.at("wal_receiver_timeout"), c.stream_timeout);
		EXPECT_EQ(values.at("wal_sender_timeout"), c.stream_timeout);
		const std::string conninfo = values.at("primary_conninfo");
		for (const std::string &part :
		     {std::string("tcp_user_timeout=''") + c.stream_timeout + "''",
		      std::string("keepalives_idle=''") + c.keepalive + "''",
		      std::string("keepalives_interval=''") + c.keepalive + "''"})
			EXPECT_NE(conninfo.find(part), std::string::npos) << conninfo;
	}
}

TEST(StolonConf, TheUsersLibrariesComeAfterOurs) {
	const std::pair<const char *, const char *> cases[] = {
	    {"", "'stolon'"},
	    {"pg_stat_statements", "'stolon, pg_stat_statements'"},
	    {" pg_stat_statements ,auto_explain", "'stolon, pg_stat_statements, auto_explain'"},
	    {"auto_explain, stolon", "'stolon, auto_explain'"},
	    {"\"stolon\",\"odd, name\"", "'stolon, \"odd, name\"'"},
	};
	for (const auto &[given, written] : cases) {
		const auto values = settings(
		    render(node_settings(), spec_with({{"Shared_Preload_Libraries", given}}), upstream));
		EXPECT_EQ(values.at("shared_preload_libraries"), written);
		EXPECT_FALSE(values.contains("Shared_Preload_Libraries"));
	}
}

TEST(StolonConf, TheUserMayWantLogicalDecoding) {
	const auto values =
	    settings(render(node_settings(), spec_with({{"WAL_level", "logical"}}), upstream));
	EXPECT_EQ(values.at("wal_level"), "'logical'");
	EXPECT_FALSE(values.contains("WAL_level"));
}

TEST(StolonConf, AManagedParameterIsNotOverruled) {
	const auto values =
	    settings(render(node_settings(), spec_with({{"PORT", "1"}, {"stolon.x", "y"}}), upstream));
	EXPECT_EQ(values.at("port"), "5432");
	EXPECT_FALSE(values.contains("PORT"));
	EXPECT_FALSE(values.contains("stolon.x"));
}

TEST(StolonConf, ValuesAreQuotedOnceForTheFileAndTwiceInAConninfo) {
	NodeSettings node = node_settings();
	node.replication_user = R"(o'b\r)";
	const auto values =
	    settings(render(node, spec_with({{"log_line_prefix", R"(%m it's \d )"}}), upstream));
	EXPECT_EQ(values.at("stolon.replication_user"), R"('o''b\\r')");
	EXPECT_EQ(values.at("log_line_prefix"), R"('%m it''s \\d ')");
	EXPECT_NE(values.at("primary_conninfo").find(R"(user=''o\\''b\\\\r'')"), std::string::npos)
	    << values.at("primary_conninfo");
}

TEST(StolonConf, SslModeAndMissingCredentials) {
	NodeSettings node = node_settings();
	node.replication_credentials_file.clear();
	ClusterSpec spec;
	spec.default_sslmode = "verify-full";
	const std::string conninfo = settings(render(node, spec, upstream)).at("primary_conninfo");
	EXPECT_EQ(conninfo.find("passfile"), std::string::npos);
	EXPECT_EQ(conninfo.find("password"), std::string::npos);
	EXPECT_NE(conninfo.find("sslmode=''verify-full''"), std::string::npos);
}

TEST(StolonConf, RefusesWhatCannotBeWritten) {
	const auto refusal = [](const NodeSettings &node, const ClusterSpec &spec, const Upstream &up,
	                        const DbUid &db) {
		const auto text = render_stolon_conf(node, spec, db, up, false);
		return text.ok() ? "" : text.error().message;
	};
	const ClusterSpec spec;
	NodeSettings broken = node_settings();
	broken.store_prefix = "a\nport = 1";
	EXPECT_EQ(refusal(broken, spec, upstream, own),
	          "stolon.store_prefix: the value has a newline or a NUL, which cannot be written into "
	          "PostgreSQL's configuration");
	EXPECT_NE(refusal(node_settings(), spec_with({{"x.y", std::string("a\0b", 3)}}), upstream, own),
	          "");
	EXPECT_NE(refusal(node_settings(), spec, Upstream{"h\nx", 1, {}}, own), "");
	EXPECT_EQ(refusal(node_settings(), spec, Upstream{"h", 0, {}}, own),
	          "upstream port: 0 is not a port; allowed is 1 to 65535");
	EXPECT_EQ(refusal(node_settings(), spec, upstream, DbUid{}),
	          "primary_conninfo: the server's own db uid is missing");
	EXPECT_EQ(refusal(node_settings(), spec, Upstream{}, DbUid{}), "");
	NodeSettings no_port = node_settings();
	no_port.port = 0;
	EXPECT_EQ(refusal(no_port, spec, upstream, own),
	          "port: 0 is not a port; allowed is 1 to 65535");
	NodeSettings no_name = node_settings();
	no_name.cluster_name = "";
	EXPECT_NE(refusal(no_name, spec, upstream, own), "");
}

TEST(PgHba, LetsTheStandbysInAndTheSuperuserOnlyLocally) {
	EXPECT_EQ(render_pg_hba(ClusterSpec{}, "postgres", "stolon_repl"),
	          R"(# Written by stolon; every change made here is lost. Lines are set in the cluster
# spec (pgHBA).
local all "postgres" peer
local replication "postgres" peer
local replication "stolon_repl" scram-sha-256
host replication "stolon_repl" all scram-sha-256
host postgres "stolon_repl" all scram-sha-256
local all all scram-sha-256
host all all all scram-sha-256
)");
}

TEST(PgHba, TheUsersLinesReplaceOnlyTheGeneralOnes) {
	ClusterSpec spec;
	spec.pg_hba = {"hostssl all all 10.0.0.0/8 cert", "local all all md5"};
	const std::string text = render_pg_hba(spec, "postgres", "stolon_repl");
	EXPECT_NE(text.find("host replication \"stolon_repl\" all scram-sha-256\n"
	                    "host postgres \"stolon_repl\" all scram-sha-256\n"
	                    "hostssl all all 10.0.0.0/8 cert\nlocal all all md5\n"),
	          std::string::npos)
	    << text;
	EXPECT_EQ(text.find("all all scram"), std::string::npos);
}

TEST(PgHba, ANameIsNeverAKeywordOrALine) {
	const std::string text = render_pg_hba(ClusterSpec{}, "a\"b", "all\nlocal all all trust");
	EXPECT_NE(text.find("local all \"a\"\"b\" peer\n"), std::string::npos);
	EXPECT_EQ(text.find("\nlocal all all trust"), std::string::npos);
}

}  // namespace
}  // namespace stolon::core
