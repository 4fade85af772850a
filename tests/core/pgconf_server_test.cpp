// What PostgreSQL itself makes of the rendered files. `postgres -C` reads a configuration and
// prints one value; it starts nothing. The server is found through pg_config.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/pgconf/pgconf.h"

namespace stolon::core {
namespace {

std::string output_of(const std::string &command) {
	std::string out;
	FILE *pipe = popen(command.c_str(), "r");
	if (pipe == nullptr)
		return out;
	char buffer[512];
	while (fgets(buffer, sizeof buffer, pipe) != nullptr)
		out += buffer;
	pclose(pipe);
	while (!out.empty() && out.back() == '\n')
		out.pop_back();
	return out;
}

class PgConfServer : public testing::Test {
protected:
	void SetUp() override {
		const std::string bin = output_of("pg_config --bindir 2>&1");
		postgres_ = bin + "/postgres";
		if (!std::filesystem::exists(postgres_))
			GTEST_SKIP() << "no PostgreSQL server: " << bin;
		std::string name = testing::TempDir() + "stolon-pgconf-XXXXXX";
		ASSERT_NE(mkdtemp(name.data()), nullptr);
		directory_ = name;
		// Its absence would be logged into the output.
		std::ofstream(directory_ / "postgresql.auto.conf").flush();
	}

	void TearDown() override {
		if (!directory_.empty())
			std::filesystem::remove_all(directory_);
	}

	/// The value of a setting as the server reads it from `conf`.
	std::string value(const std::string &conf, const std::string &name) {
		std::ofstream(directory_ / "postgresql.conf") << conf;
		return output_of(postgres_ + " -C " + name + " -D " + directory_.string() + " 2>&1");
	}

	std::string postgres_;
	std::filesystem::path directory_;
};

TEST_F(PgConfServer, ReadsBackEveryValueAsItWasMeant) {
	NodeSettings node;
	node.cluster_name = "c1";
	node.keeper_uid = KeeperUid{"k1"};
	node.listen_addresses = "127.0.0.1,::1";
	node.port = 5432;
	node.socket_directory = "/tmp/it's \\here";
	node.replication_user = "o'b\\r d";
	node.replication_credentials_file = "/a b/'c'/\\n.pgpass";
	ClusterSpec spec;
	spec.pg_parameters = {{"log_line_prefix", "%m 'q' \\t \" # x"},
	                      {"shared_preload_libraries", "pg_stat_statements"}};
	const auto conf =
	    render_stolon_conf(node, spec, DbUid{"0a1b2c3d"}, Upstream{"fe80::1%eth0", 5433, {}}, true);
	ASSERT_TRUE(conf.ok()) << conf.error().message;
	const std::pair<const char *, const char *> cases[] = {
	    {"log_line_prefix", "%m 'q' \\t \" # x"},
	    {"unix_socket_directories", "/tmp/it's \\here"},
	    {"listen_addresses", "127.0.0.1,::1"},
	    {"shared_preload_libraries", "stolon, pg_stat_statements"},
	    {"stolon.replication_user", "o'b\\r d"},
	    {"stolon.cluster_name", "c1"},
	    {"wal_retrieve_retry_interval", "10"},
	    {"wal_receiver_timeout", "5000"},
	    {"primary_slot_name", "stolon_0a1b2c3d"},
	    {"recovery_target_timeline", "latest"},
	    {"primary_conninfo",
	     "host='fe80::1%eth0' port='5433' user='o\\'b\\\\r d' "
	     "passfile='/a b/\\'c\\'/\\\\n.pgpass' application_name='stolon_0a1b2c3d' "
	     "sslmode='prefer' connect_timeout='2' keepalives='1' keepalives_idle='1' "
	     "keepalives_interval='1' keepalives_count='2' tcp_user_timeout='5000' "
	     "options='-c tcp_user_timeout=60000'"},
	};
	for (const auto &[name, expected] : cases)
		EXPECT_EQ(value(*conf, name), expected) << name;
}

TEST_F(PgConfServer, KnowsEveryParameterThatIsWritten) {
	NodeSettings node;
	node.cluster_name = "c1";
	node.port = 5432;
	const auto conf = render_stolon_conf(node, ClusterSpec{}, DbUid{"0a1b2c3d"}, Upstream{}, false);
	ASSERT_TRUE(conf.ok());
	// An unknown parameter would make the server refuse the whole file.
	EXPECT_EQ(value(*conf, "primary_conninfo"), "");
	EXPECT_EQ(value(*conf, "max_wal_senders"), "27");
	EXPECT_NE(value(*conf + "no_such_parameter = 1\n", "max_wal_senders"), "27");
}

}  // namespace
}  // namespace stolon::core
