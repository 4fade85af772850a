// Whole data directories that were set aside are judged against a real master, also when there are
// two timelines of one number.
#include <signal.h>
#include <sys/wait.h>

#include "core/lineage/history_file.h"
#include "launcher/diverged.h"
#include "launcher/report.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;

class Judged : public DataDirTest {
protected:
	struct Server {
		std::string pgdata;
		int port = 0;
		pid_t pid = 0;
	};

	std::string path(const std::string &name) { return paths_.root + "/" + name; }
	/// As a standby, which follows `upstream` when it is a port.
	Server start(const std::string &name, int upstream = 0) {
		Server server{path(name), free_port()};
		write_file(server.pgdata + "/standby.signal", "");
		auto started = Postmaster::start(
		    bin_path(), server.pgdata, paths_.server_log(),
		    {"-c", "port=" + std::to_string(server.port), "-c", "autovacuum=off", "-c",
		     "wal_keep_size=1GB", "-c", "wal_retrieve_retry_interval=50ms", "-c",
		     upstream == 0
		         ? std::string("primary_conninfo=")
		         : "primary_conninfo=host=127.0.0.1 user=admin port=" + std::to_string(upstream)});
		EXPECT_TRUE(started.ok());
		stop_at_end(server.pgdata);
		server.pid = started->pid();
		EXPECT_TRUE(eventually([&] { return accepts_connections(server.pgdata, server.pid); }));
		return server;
	}
	void stop(const Server &server) {
		const Fd handle = open_pidfd(server.pid);
		::kill(server.pid, SIGINT);
		EXPECT_TRUE(eventually([&] {
			int status = 0;
			return ::waitpid(server.pid, &status, WNOHANG) != 0;
		}));
	}
	void copy(const std::string &from, const std::string &to) {
		fs::copy(path(from), path(to), fs::copy_options::recursive);
		fs::permissions(path(to), fs::perms::owner_all);
	}
	/// A database from which all others are made.
	void make_common() {
		make_plain_database(path("common"), free_port());
		const Server server = start("common");
		sql(server.port, "select pg_promote()");
		sql(server.port, "create table t as select generate_series(1, 1000) n");
		stop(server);
		fs::remove(path("common/standby.signal"));
	}
	/// A standby of that name becomes a primary, and writes so many rows.
	Server promote(const std::string &name, int rows) {
		const Server server = start(name);
		sql(server.port, "select pg_promote()");
		sql(server.port, "insert into t select generate_series(1, " + std::to_string(rows) + ")");
		sql(server.port, "checkpoint");
		return server;
	}
	/// A standby follows the primary until it has everything, and has a restartpoint there.
	void follow(const std::string &name, const Server &primary) {
		const Server standby = start(name, primary.port);
		const auto lsn = sql(primary.port, "select pg_current_wal_flush_lsn()");
		EXPECT_TRUE(eventually([&] {
			return sql(standby.port, "select pg_last_wal_replay_lsn() >= '" + lsn + "'::pg_lsn") ==
			       "t";
		}));
		sql(standby.port, "checkpoint");
		stop(standby);
	}
	Master master_of(const Server &server) {
		Master master;
		master.server.host = "127.0.0.1";
		master.server.port = server.port;
		master.server.user = "admin";
		const std::string wal = server.pgdata + "/pg_wal/";
		const auto timeline = read_control_file(bin_path(), server.pgdata)->timeline;
		master.line.position = {
		    timeline, *core::Lsn::parse(sql(server.port, "select pg_current_wal_flush_lsn()"))};
		master.line.history = core::parse_history_file(read_file(wal + history_file_of(timeline)));
		return master;
	}
	core::Way way(const std::string &name, bool was_primary, const Master &master,
	              const Replaced &why = {}) {
		const auto found = judge(bin_path(), path(name), why, was_primary, master);
		EXPECT_TRUE(found.ok()) << found.error().message;
		reason_ = found.ok() ? found->back.reason : std::string();
		return found.ok() ? found->back.way : core::Way::Rewind;
	}

	std::string reason_;
};

TEST_F(Judged, AStandbyOfAnotherMasterWithTheSameTimelineNumberIsNoPartOfThisOne) {
	make_common();
	for (const char *name : {"lost", "new", "theirs", "ours", "received"})
		copy("common", name);
	const Server lost = promote("lost", 500);
	follow("theirs", lost);
	stop(lost);
	const Server winner = promote("new", 5000);
	follow("ours", winner);
	const Master master = master_of(winner);
	ASSERT_EQ(read_control_file(bin_path(), path("theirs"))->timeline,
	          master.line.position.timeline);
	EXPECT_EQ(way("ours", false, master), core::Way::Follow) << reason_;
	EXPECT_EQ(way("theirs", false, master), core::Way::Clone) << "acknowledged on the lost master";
	EXPECT_EQ(way("ours", false, master, {{}, true, false}), core::Way::Clone)
	    << "the view knew that there may be another";
	// Received, and pg_control is still on the timeline before.
	for (const auto &entry : fs::directory_iterator(path("theirs/pg_wal")))
		if (!fs::exists(path("received/pg_wal/") + entry.path().filename().string()))
			fs::copy(entry.path(), path("received/pg_wal/") + entry.path().filename().string());
	write_file(path("received/standby.signal"), "");
	EXPECT_EQ(way("received", false, master), core::Way::Clone);
	EXPECT_NE(reason_.find("had been received"), std::string::npos) << reason_;
}

TEST_F(Judged, AnOldMasterOfATimelineThatAnotherOneHasBegunTooIsNoPartOfTheLineThatWentOn) {
	make_common();
	for (const char *name : {"old", "between"})
		copy("common", name);
	stop(promote("old", 100));
	fs::remove(path("old/standby.signal"));
	stop(promote("between", 5000));
	copy("between", "new");
	copy("between", "same");
	const Server winner = promote("new", 10);
	const Master master = master_of(winner);
	ASSERT_EQ(master.line.history.size(), 3U);
	EXPECT_EQ(way("same", true, master), core::Way::Follow) << reason_;
	EXPECT_EQ(way("old", true, master), core::Way::Clone) << "it has rows of its own";
	EXPECT_NE(reason_.find("is not the same"), std::string::npos) << reason_;
}

TEST_F(Judged, ItsReportSaysWhereToLook) {
	make_common();
	for (const char *name : {"new", "ours"})
		copy("common", name);
	const Server winner = promote("new", 1000);
	follow("ours", winner);
	const std::string name = "postgres.diverged-20261122T000001Z";
	make_fake_data(path("fake"));
	fs::copy(path(std::string("fake/") + state_file), path(std::string("ours/") + state_file));
	fs::rename(path("ours"), path(name));
	const auto report = [&] {
		EXPECT_TRUE(tidy_diverged({paths_, identity_, core::DbUid{"bbbbbbbb"}, bin_path(),
		                           master_of(winner), 3})
		                .ok());
		return read_file(path(name) + "/" + report_file);
	};
	EXPECT_NE(report().find("Diverged:   nothing"), std::string::npos) << report();
	fs::remove(path(name) + "/" + findings_file);
	ASSERT_TRUE(note_replaced(path(name), {core::DbUid{"aaaaaaaa"}, true, false}).ok());
	const std::string text = report();
	EXPECT_NE(text.find("Examined:   no; "), std::string::npos) << text;
	EXPECT_NE(text.find("may be some that are nowhere else"), std::string::npos) << text;
	const std::size_t at = text.find("    pg_waldump ");
	ASSERT_NE(at, std::string::npos) << text;
	const std::string command = text.substr(at + 4, text.find('\n', at) - at - 4);
	const auto shown = output_of(
	    {"/bin/sh", "-c",
	     "cd " + path(name) + " && " + bin_path() + "/" + command + " 2>/dev/null | grep -c rmgr"});
	EXPECT_GT(std::stoi("0" + shown), 0) << command;
	EXPECT_FALSE(list_diverged(paths_).front().examined);
}

}  // namespace
}  // namespace stolon::launcher::test
