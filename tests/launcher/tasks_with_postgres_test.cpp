// initdb and clone with real servers, without stolon's extension in them.
#include <signal.h>
#include <unistd.h>

#include "launcher/clone.h"
#include "launcher/initdb.h"
#include "launcher/reaper.h"
#include "launcher/secrets.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

using core::DataKind;
using core::DbUid;

// A password that would do harm if it were not quoted.
constexpr const char *password = "it's \\ a: \"pass'; DROP ROLE x; --";

class WithPostgres : public DataDirTest {
protected:
	WithPostgres() : port_(free_port()) {
		write_file(paths_.root + "/superuser", "su-secret\n");
		write_file(paths_.root + "/replication", std::string(password) + "\n");
		write_file(paths_.replication_pgpass(), pgpass_line("repl \"user\"", password));
	}
	core::DataState state_of(const char *db) {
		core::DataState state;
		state.cluster_name = identity_.cluster_name;
		state.cluster_uid = "0123456789abcdef";
		state.keeper = identity_.keeper;
		state.db = DbUid{db};
		state.epoch = core::Epoch{1};
		return state;
	}
	InitDbJob initdb_job() {
		InitDbJob job;
		job.paths = paths_;
		job.identity = identity_;
		job.state = state_of("aaaaaaaa");
		job.bin_path = bin_path();
		job.superuser = "admin";
		job.superuser_password_file = paths_.root + "/superuser";
		job.replication_user = "repl \"user\"";
		job.replication_password_file = paths_.root + "/replication";
		job.create_extension = false;
		return job;
	}
	CloneJob clone_job(const Paths &paths) {
		CloneJob job;
		job.upstream_db = core::DbUid{"deadbeef"};
		job.paths = paths;
		job.identity = Identity{"main", core::KeeperUid{"k2"}};
		job.state = state_of("bbbbbbbb");
		job.state.keeper.value = "k2";
		job.bin_path = bin_path();
		job.upstream.host = "127.0.0.1";
		job.upstream.port = port_;
		job.upstream.password_file = paths.replication_pgpass();
		job.upstream.user = "repl \"user\"";
		return job;
	}
	std::string conf() {
		return "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nport "
		       "= " +
		       std::to_string(port_) + "\n";
	}
	void start(const std::string &pgdata) {
		auto server = Postmaster::start(bin_path(), pgdata, paths_.server_log());
		ASSERT_TRUE(server.ok());
		stop_at_end(pgdata);
		const pid_t pid = server->pid();
		ASSERT_TRUE(eventually([&] { return accepts_connections(pgdata, pid); }))
		    << tail_of_log(paths_.server_log(), 0);
	}
	std::string ask(const std::string &statement) {
		return output_of({bin_path() + "/psql", "-XAtq", "-h", "127.0.0.1", "-p",
		                  std::to_string(port_), "-U", "admin", "-d", "postgres", "-c", statement},
		                 {{"PGPASSWORD", "su-secret"}});
	}

	int port_;
};

TEST_F(WithPostgres, a_first_master_is_made_complete_and_without_secrets_in_its_files) {
	const auto status = run_initdb(initdb_job());
	ASSERT_TRUE(status.ok()) << status.error().message;
	const auto dir = inspect(paths_, identity_, {});
	ASSERT_EQ(dir.kind, DataKind::Ours) << dir.problem;
	EXPECT_EQ(dir.state, state_of("aaaaaaaa"));
	EXPECT_FALSE(std::filesystem::exists(paths_.init(DbUid{"aaaaaaaa"})));
	EXPECT_FALSE(std::filesystem::exists(Paths::marker_of(paths_.init(DbUid{"aaaaaaaa"}))));

	ASSERT_TRUE(prepare_start(paths_.pgdata(), conf(), "", false).ok());
	start(paths_.pgdata());
	EXPECT_EQ(ask("show data_checksums"), "on");
	EXPECT_EQ(ask("show server_encoding"), "UTF8");
	EXPECT_EQ(ask("select rolcanlogin and rolreplication and not rolsuper from pg_roles where "
	              "rolname = 'repl \"user\"'"),
	          "t");
	EXPECT_EQ(ask("select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname like "
	              "'repl%'"),
	          "t");
}

TEST_F(WithPostgres, an_interrupted_initdb_is_begun_anew) {
	const std::string half = paths_.init(DbUid{"aaaaaaaa"});
	ASSERT_TRUE(announce_directory(half, identity_).ok());
	std::filesystem::create_directories(half + "/base");
	ASSERT_TRUE(run_initdb(initdb_job()).ok());
	EXPECT_EQ(inspect(paths_, identity_, {}).kind, DataKind::Ours);
}

TEST_F(WithPostgres, a_complete_initdb_that_was_not_moved_yet_is_moved) {
	make_fake_data(paths_.init(DbUid{"aaaaaaaa"}));
	write_file(paths_.init(DbUid{"aaaaaaaa"}) + "/mine", "yes");
	ASSERT_TRUE(run_initdb(initdb_job()).ok());
	EXPECT_EQ(read_file(paths_.pgdata() + "/mine"), "yes");
}

// LESSONS B-6
TEST_F(WithPostgres, initdb_never_replaces_anything) {
	make_fake_data(paths_.pgdata(), "k1", "cccccccc");
	EXPECT_FALSE(run_initdb(initdb_job()).ok());
	EXPECT_EQ(inspect(paths_, identity_, {}).state.db.value, "cccccccc");
}

TEST_F(WithPostgres, without_the_extension_initdb_says_what_is_missing) {
	auto job = initdb_job();
	job.create_extension = true;
	// Programs of a PostgreSQL that does not know the extension.
	job.bin_path = paths_.root + "/bin";
	std::filesystem::create_directory(job.bin_path);
	write_file(job.bin_path + "/initdb", "#!/bin/sh\nexec '" + bin_path() + "/initdb' \"$@\"\n",
	           0700);
	write_file(job.bin_path + "/postgres", "#!/bin/sh\n! grep -q EXTENSION\n", 0700);
	const auto status = run_initdb(job);
	ASSERT_FALSE(status.ok());
	EXPECT_NE(status.error().message.find("is it installed"), std::string::npos)
	    << status.error().message;
	EXPECT_EQ(inspect(paths_, identity_, {}).kind, DataKind::Absent);
}

TEST_F(WithPostgres, a_clone_is_ours_and_follows_nobody_until_it_is_told) {
	ASSERT_TRUE(run_initdb(initdb_job()).ok());
	ASSERT_TRUE(prepare_start(paths_.pgdata(), conf() + "primary_conninfo = 'host=nowhere'\n",
	                          "host all all 127.0.0.1/32 scram-sha-256\n"
	                          "host replication all 127.0.0.1/32 scram-sha-256\n",
	                          false)
	                .ok());
	start(paths_.pgdata());
	Paths second;
	second.root = paths_.root + "/second";
	std::filesystem::create_directory(second.root);
	write_file(second.replication_pgpass(), pgpass_line("repl \"user\"", password));

	auto job = clone_job(second);
	job.system_id = "1";
	const auto wrong = run_clone(job);
	ASSERT_FALSE(wrong.ok());
	EXPECT_NE(wrong.error().message.find("another server answers"), std::string::npos)
	    << wrong.error().message;
	EXPECT_FALSE(inspect(second, job.identity, job.state.db).clone_ready);

	job.system_id = *read_system_id(paths_.pgdata());
	const auto status = run_clone(job);
	ASSERT_TRUE(status.ok()) << status.error().message;
	EXPECT_EQ(inspect(second, job.identity, job.state.db).clone_ready, job.state.db);
	const std::string copy = second.clone(job.state.db);
	EXPECT_TRUE(std::filesystem::exists(copy + "/standby.signal"));
	EXPECT_EQ(read_file(copy + "/stolon.conf"), "");
	EXPECT_FALSE(std::filesystem::exists(copy + "/postmaster.pid"));
	// Asked again, it is not made again.
	write_file(copy + "/kept", "yes");
	ASSERT_TRUE(run_clone(job).ok());
	EXPECT_EQ(read_file(copy + "/kept"), "yes");
	EXPECT_EQ(inspect(second, job.identity, job.state.db).clone_of, job.upstream_db);
	// With another upstream it is, and the first one is kept.
	job.upstream_db = core::DbUid{"0badcafe"};
	ASSERT_TRUE(run_clone(job).ok());
	EXPECT_FALSE(std::filesystem::exists(copy + "/kept"));
	const auto aside = diverged_directories(second);
	ASSERT_EQ(aside.size(), 1U);
	EXPECT_EQ(read_file(second.root + "/" + aside.front() + "/kept"), "yes");

	const auto swapped = swap_in(second, job.identity, copy, job.state.db);
	ASSERT_TRUE(swapped.ok()) << swapped.error().message;
	port_ = free_port();
	ASSERT_TRUE(prepare_start(second.pgdata(), conf(), "", true).ok());
	start(second.pgdata());
	EXPECT_EQ(ask("select pg_is_in_recovery()"), "t");
}

TEST_F(WithPostgres, a_clone_without_an_upstream_fails_and_can_be_repeated) {
	auto job = clone_job(paths_);
	for (int i = 0; i < 2; ++i) {
		const auto status = run_clone(job);
		ASSERT_FALSE(status.ok());
		EXPECT_NE(status.error().message.find("pg_basebackup exited with code 1"),
		          std::string::npos)
		    << status.error().message;
	}
	EXPECT_EQ(inspect(paths_, identity_, {}).kind, DataKind::Absent);
}

TEST(Secrets, are_refused_when_others_can_read_them) {
	char name[] = "/tmp/stolon-launcher-secret-XXXXXX";
	const Fd file(::mkstemp(name));
	ASSERT_EQ(::write(file.get(), "word\n", 5), 5);
	EXPECT_EQ(*read_password(name), "word");
	std::filesystem::permissions(name, std::filesystem::perms::others_read,
	                             std::filesystem::perm_options::add);
	const auto refused = read_password(name);
	ASSERT_FALSE(refused.ok());
	EXPECT_NE(refused.error().message.find("chmod 0600"), std::string::npos);
	EXPECT_EQ(refused.error().message.find("word\""), std::string::npos);
	std::filesystem::remove(name);
}

TEST(Secrets, are_escaped_for_every_place_that_they_go_to) {
	EXPECT_EQ(pgpass_line("a:b", "c\\d:e"), "*:*:*:a\\:b:c\\\\d\\:e\n");
	EXPECT_EQ(quote_literal("it's"), "'it''s'");
	EXPECT_EQ(quote_literal("a\\'b"), " E'a\\\\''b'");
	EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
	EXPECT_EQ(quote_conninfo("a'b\\c"), "'a\\'b\\\\c'");
}

}  // namespace
}  // namespace stolon::launcher::test
