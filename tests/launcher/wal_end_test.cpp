// What is told of WAL with real servers: where it ends, and whether it is the same as another
// one's.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include "launcher/common_wal.h"
#include "launcher/control_file.h"
#include "launcher/diverged.h"
#include "launcher/examine.h"
#include "launcher/told_wal.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;

class WalEnd : public DataDirTest {
protected:
	void start(const std::string &pgdata, int port) {
		auto server =
		    Postmaster::start(bin_path(), pgdata, paths_.server_log(),
		                      {"-c", "port=" + std::to_string(port), "-c", "autovacuum=off", "-c",
		                       "wal_keep_size=1GB", "-c", "bgwriter_lru_maxpages=0"});
		ASSERT_TRUE(server.ok());
		stop_at_end(pgdata);
		const pid_t pid = server->pid();
		ASSERT_TRUE(eventually([&] { return accepts_connections(pgdata, pid); }));
		pid_ = pid;
	}
	void end(int signal) {
		const Fd handle = open_pidfd(pid_);
		::kill(pid_, signal);
		ASSERT_TRUE(eventually([&] {
			int status = 0;
			return ::waitpid(pid_, &status, WNOHANG) != 0;
		}));
	}
	core::WalPosition position(int port) {
		const auto lsn = core::Lsn::parse(sql(port, "select pg_current_wal_insert_lsn()"));
		return {core::Timeline{1}, lsn.ok() ? *lsn : core::Lsn()};
	}
	static core::Lineage line(std::uint32_t timeline, core::Lsn end = {},
	                          std::vector<core::HistoryEntry> history = {}) {
		return {{core::Timeline{timeline}, end}, std::move(history)};
	}
	/// A program of that name which does what `text` says, beside links to the real ones.
	std::string programs_with(const std::string &name, const std::string &text) {
		const std::string directory = paths_.root + "/bin";
		fs::create_directory(directory);
		for (const auto &entry : fs::directory_iterator(bin_path()))
			if (entry.path().filename() != name)
				fs::create_symlink(entry.path(),
				                   directory + "/" + entry.path().filename().string());
		write_file(directory + "/" + name, "#!/bin/sh\n" + text + "\n", 0700);
		return directory;
	}

	static constexpr std::uint64_t segment = 16 * 1024 * 1024;

	pid_t pid_ = 0;
	int port_ = free_port();
};

TEST_F(WalEnd, OfAServerThatCrashedLiesFarBehindItsCheckpoint) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	sql(port_, "checkpoint; create table t as select generate_series(1, 50000) n");
	const auto written = position(port_);
	end(SIGQUIT);
	EXPECT_LT(last_position(bin_path(), paths_.pgdata()).lsn.value + 1'000'000, written.lsn.value);
	const auto found = end_of_wal(bin_path(), paths_.pgdata());
	ASSERT_TRUE(found.ok()) << found.error().message;
	EXPECT_EQ(found->timeline, written.timeline);
	EXPECT_GE(found->lsn, written.lsn);
	EXPECT_LT(found->lsn.value, written.lsn.value + 10'000);
}

TEST_F(WalEnd, IsNotKnownWhenTheReadingWasCutShort) {
	make_plain_database(paths_.pgdata(), port_);
	const std::string killed = programs_with("pg_waldump", "kill -9 $$");
	const auto found = end_of_wal(killed, paths_.pgdata());
	ASSERT_FALSE(found.ok());
	EXPECT_EQ(found.error().kind, core::ErrorKind::Unavailable);
	EXPECT_NE(found.error().message.find("was killed by signal 9"), std::string::npos);
	// Neither is where it diverged: then too little would be kept, and the rest removed.
	const auto upstream = line(2, {}, {{core::Timeline{1}, core::Lsn{0x1000000}}});
	const auto examined = examine(killed, paths_.pgdata(), upstream);
	ASSERT_FALSE(examined.ok());
	EXPECT_EQ(examined.error().kind, core::ErrorKind::Unavailable);
	fs::remove(killed + "/pg_waldump");
	EXPECT_EQ(end_of_wal(killed, paths_.pgdata()).error().kind, core::ErrorKind::Unavailable);
}

TEST_F(WalEnd, WhatWasReceivedOfATimelineThatIsNotInTheLineLeadsToAClone) {
	make_plain_database(paths_.pgdata(), port_);
	const auto own = end_of_wal(bin_path(), paths_.pgdata());
	ASSERT_TRUE(own.ok()) << own.error().message;
	const std::vector<core::HistoryEntry> history = {{core::Timeline{1}, own->lsn}};
	const auto way = [&](std::uint32_t timeline) {
		const auto found = examine(bin_path(), paths_.pgdata(), line(timeline, {}, history));
		EXPECT_TRUE(found.ok());
		return found.ok() ? found->back.way : core::Way::Rewind;
	};
	EXPECT_EQ(way(3), core::Way::Follow);
	const std::string wal = paths_.pgdata() + "/pg_wal/";
	write_file(wal + "00000002.history", "1\t" + own->lsn.to_string() + "\tno reason\n");
	EXPECT_EQ(way(2), core::Way::Follow) << "the upstream's own";
	EXPECT_EQ(way(3), core::Way::Clone) << "PostgreSQL would go on on it";
	write_file(wal + "00000002.history", "1\t0/1000000\tno reason\n");
	EXPECT_EQ(way(2), core::Way::Clone) << "it was left elsewhere";
	fs::remove(wal + "00000002.history");
	EXPECT_EQ(way(3), core::Way::Follow);
	write_file(wal + "000000020000000000000001", "");
	EXPECT_EQ(way(3), core::Way::Clone) << "what was received may be nowhere else";
	EXPECT_FALSE(end_of_wal(bin_path(), paths_.pgdata()).ok());
}

class ToldWal : public WalEnd {
protected:
	bool has(core::Lsn lsn, std::uint32_t timeline = 1) {
		const auto found =
		    has_wal_up_to(bin_path(), paths_.pgdata(), {core::Timeline{timeline}, lsn});
		EXPECT_TRUE(found.ok()) << found.error().message;
		return found.ok() && *found;
	}
	static core::Lsn plus(core::Lsn lsn, std::uint64_t bytes) { return {lsn.value + bytes}; }
};

TEST_F(ToldWal, IsThereAfterACrash) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	sql(port_, "checkpoint; create table t as select generate_series(1, 50000) n");
	const core::Lsn flushed = *core::Lsn::parse(sql(port_, "select pg_current_wal_flush_lsn()"));
	end(SIGQUIT);
	EXPECT_TRUE(has(flushed));
	EXPECT_TRUE(has(core::Lsn{flushed.value / 8192 * 8192})) << "at the end of a page";
	EXPECT_FALSE(has(plus(flushed, 1024 * 1024)));
	EXPECT_FALSE(has(plus(flushed, 1024 * 1024 * 1024))) << "there is no such file";
	EXPECT_FALSE(has(flushed, 2)) << "it has gone on on another timeline, which is not here";
	EXPECT_TRUE(has(core::Lsn{0x1000000}));
}

TEST_F(ToldWal, IsThereAfterAShutdown) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	end(SIGINT);
	const auto last = clean_end(bin_path(), paths_.pgdata());
	ASSERT_TRUE(last.has_value());
	EXPECT_TRUE(has(last->lsn));
	EXPECT_FALSE(has(plus(last->lsn, 8192)));
}

TEST_F(ToldWal, IsNotThereWithAGapBefore) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	sql(port_,
	    "checkpoint; create table t as select generate_series(1, 10) n; select pg_switch_wal()");
	sql(port_, "insert into t values (1); select pg_switch_wal()");
	sql(port_, "insert into t values (2)");
	const core::Lsn flushed = *core::Lsn::parse(sql(port_, "select pg_current_wal_flush_lsn()"));
	end(SIGQUIT);
	EXPECT_TRUE(has(flushed));
	const WalShape shape = read_control_file(bin_path(), paths_.pgdata())->shape;
	const fs::path between = paths_.pgdata() + "/pg_wal/" +
	                         shape.file_of({core::Timeline{1}, core::Lsn{flushed.value - segment}});
	fs::resize_file(between, segment / 2);
	EXPECT_FALSE(has(flushed)) << "it is being copied";
	fs::remove(between);
	EXPECT_FALSE(has(flushed));
}

TEST_F(ToldWal, AFileThatIsUsedAgainHasItNot) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	sql(port_, "create table t as select generate_series(1, 1000) n; select pg_switch_wal()");
	const core::Lsn next{position(port_).lsn.value / segment * segment + segment};
	sql(port_, "insert into t values (1); checkpoint");
	end(SIGQUIT);
	const std::string wal = paths_.pgdata() + "/pg_wal/";
	const WalShape shape = read_control_file(bin_path(), paths_.pgdata())->shape;
	const core::WalPosition there{core::Timeline{1}, core::Lsn{next.value - segment}};
	fs::copy_file(wal + shape.file_of(there), wal + shape.file_of({core::Timeline{1}, next}),
	              fs::copy_options::overwrite_existing);
	EXPECT_FALSE(has(plus(next, 100)));
}

TEST_F(ToldWal, WhatCannotBeReadSaysNothing) {
	make_plain_database(paths_.pgdata(), port_);
	fs::remove(paths_.pgdata() + "/global/pg_control");
	const auto found =
	    has_wal_up_to(bin_path(), paths_.pgdata(), {core::Timeline{1}, core::Lsn{0x9000000}});
	EXPECT_FALSE(found.ok());
}

class ComparedWal : public WalEnd {
protected:
	core::Result<CommonWal> compare(core::Lsn fork) {
		Examination found;
		const auto control = read_control_file(bin_path(), paths_.pgdata());
		found.control = *control;
		found.line = line(1);
		found.back.fork = {core::Timeline{1}, fork};
		UpstreamServer upstream;
		upstream.host = "127.0.0.1";
		upstream.port = port_;
		upstream.user = "admin";
		return compare_common_wal(upstream, line(1), bin_path(), paths_.pgdata(), found);
	}
	std::string other() { return paths_.root + "/other"; }
	/// Two servers that part after what both have.
	void make_two() {
		make_plain_database(paths_.pgdata(), port_);
		start(paths_.pgdata(), port_);
		sql(port_, "create table t as select generate_series(1, 1000) n; select pg_switch_wal()");
		common_ = core::Lsn{position(port_).lsn.value / segment * segment};
		end(SIGINT);
		fs::copy(paths_.pgdata(), other(), fs::copy_options::recursive);
		fs::permissions(other(), fs::perms::owner_all);
	}

	core::Lsn common_;
};

TEST_F(ComparedWal, IsComparedWithRecordsAndNotWithTheZerosBehindASwitch) {
	make_two();
	start(paths_.pgdata(), port_);
	sql(port_, "insert into t values (1); select pg_switch_wal(); insert into t values (1)");
	const core::Lsn boundary{position(port_).lsn.value / segment * segment};
	end(SIGINT);
	start(other(), port_);
	sql(port_, "insert into t values (2); select pg_switch_wal(); insert into t values (2)");
	ASSERT_EQ(core::Lsn{position(port_).lsn.value / segment * segment}, boundary);
	// Right behind a switch that both have, at the first header after it, and a little further.
	for (const std::uint64_t more : {0, 40}) {
		const auto same = compare(core::Lsn{common_.value + more});
		ASSERT_TRUE(same.ok()) << same.error().message;
		EXPECT_EQ(same->reason, "");
		const auto parted = compare(core::Lsn{boundary.value + more});
		ASSERT_TRUE(parted.ok()) << parted.error().message;
		EXPECT_TRUE(parted->is_another_line) << "they have different files that end with zeros";
		EXPECT_NE(parted->reason.find("is not the same"), std::string::npos) << parted->reason;
	}
}

TEST_F(ComparedWal, IsNothingWhenNoRecordIsThere) {
	make_two();
	start(other(), port_);
	const std::string wal = paths_.pgdata() + "/pg_wal/";
	const WalShape shape{8192, segment};
	write_file(wal + shape.file_of({core::Timeline{1}, core::Lsn{common_.value - 1}}),
	           std::string(segment, '\0'));
	const auto compared = compare(common_);
	ASSERT_TRUE(compared.ok()) << compared.error().message;
	EXPECT_NE(compared->reason, "");
	EXPECT_FALSE(compared->is_another_line) << "nothing was compared";
}

class KeptWal : public WalEnd {};

TEST_F(KeptWal, HasAllFilesBehindTheForkThatHoldAnything) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	const core::Lsn fork = position(port_).lsn;
	sql(port_, "create table t (n int)");
	for (int i = 0; i < 3; ++i)
		sql(port_, "insert into t values (1); select pg_switch_wal()");
	const auto last = position(port_);
	end(SIGQUIT);
	auto found = examine(bin_path(), paths_.pgdata(), line(2, {}, {{core::Timeline{1}, fork}}));
	ASSERT_TRUE(found.ok()) << found.error().message;
	ASSERT_EQ(found->back.way, core::Way::Rewind);
	EXPECT_EQ(found->beyond.commits, 4U);
	const WalShape shape = found->control.shape;
	const std::string wal = paths_.pgdata() + "/pg_wal/";
	const auto name = [&](std::uint64_t segments) {
		return shape.file_of({core::Timeline{1}, core::Lsn{fork.value + segments * shape.segment}});
	};
	// Used again and not written to yet; and made for later.
	fs::copy_file(wal + name(0), wal + name(7));
	write_file(wal + name(8), std::string(shape.segment, '\0'));
	// As if no more than that had been read.
	found->line.position.lsn = fork;
	const auto kept =
	    keep_diverged_wal(paths_, identity_, core::DataState(), core::DbUid{"bbbbbbbb"}, *found);
	ASSERT_TRUE(kept.ok()) << kept.error().message;
	const std::uint64_t segments =
	    (last.lsn.value - 1) / shape.segment - fork.value / shape.segment;
	ASSERT_GE(segments, 2U);
	for (std::uint64_t i = 0; i <= segments; ++i)
		EXPECT_TRUE(fs::exists(*kept + "/pg_wal/" + name(i))) << i;
	EXPECT_FALSE(fs::exists(*kept + "/pg_wal/" + name(7)));
	EXPECT_FALSE(fs::exists(*kept + "/pg_wal/" + name(8)));
}

TEST_F(KeptWal, IsNotTakenForKeptWhenTheFilesCannotBeListed) {
	make_plain_database(paths_.pgdata(), port_);
	start(paths_.pgdata(), port_);
	const core::Lsn fork = position(port_).lsn;
	sql(port_, "create table t (n int)");
	end(SIGQUIT);
	const core::Lineage upstream = line(2, {}, {{core::Timeline{1}, fork}});
	const auto found = examine(bin_path(), paths_.pgdata(), upstream);
	ASSERT_TRUE(found.ok()) << found.error().message;
	const auto keep = [&] {
		return keep_diverged_wal(paths_, identity_, core::DataState(), core::DbUid{"bbbbbbbb"},
		                         *found);
	};
	const std::string wal = paths_.pgdata() + "/pg_wal";
	// Its files can be read, and their names cannot.
	fs::permissions(wal, fs::perms::owner_write | fs::perms::owner_exec);
	EXPECT_FALSE(keep().ok());
	EXPECT_FALSE(examine(bin_path(), paths_.pgdata(), upstream).ok());
	fs::permissions(wal, fs::perms::owner_all);
	// The list is there, and the file that was read is not in it.
	fs::rename(wal, paths_.root + "/elsewhere");
	fs::create_directory(wal);
	const auto without = keep();
	ASSERT_FALSE(without.ok());
	EXPECT_NE(without.error().message.find("is not in the list"), std::string::npos);
	EXPECT_TRUE(list_diverged(paths_).empty());
}

}  // namespace
}  // namespace stolon::launcher::test
