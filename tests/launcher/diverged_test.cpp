// What is set aside is listed, bounded, and never removed wrongly; a rewind that was interrupted is
// known by its note; a node's own files survive.
#include "launcher/diverged.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "launcher/node_files.h"
#include "launcher/report.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;

class Diverged : public DataDirTest {
protected:
	/// One with something of its own, or without.
	std::string make_aside(const std::string &time, bool worthless = false, bool examined = true) {
		return make_aside(time, worthless ? 0 : 0x1000, worthless ? 0 : 3, 0, examined);
	}
	std::string make_aside(const std::string &time, std::uint64_t bytes, std::uint64_t commits,
	                       std::uint64_t prepared, bool examined = true) {
		const std::string name = "postgres.diverged-" + time;
		fs::create_directory(paths_.root + "/" + name);
		core::DivergedData data;
		data.time = time;
		data.db.value = "aaaaaaaa";
		data.examined = examined;
		data.fork = data.end = {core::Timeline{1}, core::Lsn{0x3000000}};
		data.end.lsn.value += bytes;
		data.commits = commits;
		data.prepared = prepared;
		EXPECT_TRUE(write_report(paths_.root + "/" + name, identity_, data, nullptr).ok());
		return name;
	}
	std::vector<std::string> names() {
		std::vector<std::string> names;
		for (const auto &data : list_diverged(paths_))
			names.push_back(data.name);
		return names;
	}
	core::Status tidy(int keep, const std::optional<Master> &master = {}) {
		return tidy_diverged(
		    {paths_, identity_, core::DbUid{"aaaaaaaa"}, bin_path(), master, keep});
	}
};

using Names = std::vector<std::string>;

TEST_F(Diverged, IsListedWithTheNewestFirst) {
	const auto first = make_aside("20261122T025107Z");
	const auto second = make_aside("20261122T025107Z.2");
	const auto third = make_aside("20261122T025107Z.10");
	const auto fourth = make_aside("20261201T000000Z");
	EXPECT_EQ(names(), (Names{fourth, third, second, first}));
	EXPECT_EQ(list_diverged(paths_).front().commits, 3U);
}

TEST_F(Diverged, IsBoundedAndTheOldestGoFirst) {
	make_aside("20261122T000001Z");
	const auto second = make_aside("20261122T000002Z");
	const auto third = make_aside("20261122T000003Z");
	ASSERT_TRUE(tidy(2).ok());
	EXPECT_EQ(names(), (Names{third, second}));
	ASSERT_TRUE(tidy(2).ok());
	EXPECT_EQ(names(), (Names{third, second}));
}

TEST_F(Diverged, WhatHoldsNothingGoesFirst) {
	const auto commits = make_aside("20261122T000001Z");
	make_aside("20261122T000002Z", true);
	make_aside("20261122T000003Z", true);
	const auto newer = make_aside("20261122T000004Z", true);
	ASSERT_TRUE(tidy(2).ok());
	EXPECT_EQ(names(), (Names{newer, commits})) << "not the only copy of commits";
	ASSERT_TRUE(tidy(1).ok());
	EXPECT_EQ(names(), (Names{newer, commits})) << "the newest is never removed";
}

// An old master nearly always has something behind the fork, a checkpoint for example.
TEST_F(Diverged, WhatHasNoCommitGoesBeforeWhatHas) {
	const auto prepared = make_aside("20261122T000001Z", 0x1000, 0, 1);
	const auto lost = make_aside("20261122T000002Z", 0x1000, 1, 0);
	make_aside("20261122T000003Z", 0x100, 0, 0);
	make_aside("20261122T000004Z", 0, 0, 0);
	const auto routine = make_aside("20261122T000005Z", 0x100, 0, 0);
	const auto newest = make_aside("20261122T000006Z", 0x100, 0, 0);
	EXPECT_EQ(removable_diverged(list_diverged(paths_), 4),
	          (Names{"postgres.diverged-20261122T000004Z", "postgres.diverged-20261122T000003Z"}))
	    << "what lies on the master's line goes first";
	ASSERT_TRUE(tidy(4).ok());
	EXPECT_EQ(names(), (Names{newest, routine, lost, prepared}));
	ASSERT_TRUE(tidy(3).ok());
	EXPECT_EQ(names(), (Names{newest, lost, prepared}));
	ASSERT_TRUE(tidy(1).ok());
	EXPECT_EQ(names(), (Names{newest, lost})) << "the oldest with commits, and never the newest";
}

TEST_F(Diverged, WhatWasNotExaminedIsNeverRemoved) {
	const auto odd = make_aside("20261122T000001Z", false, false);
	const std::string without = "postgres.diverged-20261122T000002Z";
	make_fake_data(paths_.root + "/" + without);
	make_aside("20261122T000003Z");
	const auto last = make_aside("20261122T000004Z");
	ASSERT_TRUE(tidy(1).ok());
	EXPECT_EQ(names(), (Names{last, without, odd}));
	EXPECT_TRUE(removable_diverged(list_diverged(paths_), 1).empty()) << "it would go on for ever";
}

TEST_F(Diverged, TheOrderIsThatOfTheirMakingWhateverTheClockSays) {
	const auto ahead = make_aside("20990101T000000Z");
	fs::create_directory(paths_.root + "/something");
	write_file(paths_.root + "/something/file", "x");
	const auto fresh = set_aside(paths_, paths_.root + "/something");
	ASSERT_TRUE(fresh.ok()) << fresh.error().message;
	EXPECT_EQ(*fresh, paths_.root + "/postgres.diverged-20990101T000000Z.1");
	EXPECT_EQ(names().front(), "postgres.diverged-20990101T000000Z.1");
	make_aside("20261122T000003Z");
	ASSERT_TRUE(tidy(1).ok());
	EXPECT_TRUE(fs::exists(*fresh));
}

TEST_F(Diverged, AReportThatCannotBeWrittenDoesNotKeepFromMakingRoom) {
	make_aside("20261122T000001Z");
	const auto newest = make_aside("20261122T000003Z");
	const std::string in_the_way = paths_.root + "/postgres.diverged-20261122T000002Z";
	make_fake_data(in_the_way);
	fs::create_directories(in_the_way + "/REPORT.txt/x");
	const auto line = core::Lineage{{core::Timeline{1}, core::Lsn{0x3000000}}, {}};
	EXPECT_FALSE(tidy(1, Master{UpstreamServer(), line}).ok());
	EXPECT_FALSE(fs::exists(paths_.root + "/postgres.diverged-20261122T000001Z"));
	EXPECT_TRUE(fs::exists(paths_.root + "/" + newest));
	EXPECT_TRUE(fs::exists(in_the_way));
}

TEST_F(Diverged, NeverLosesTheNewest) {
	const auto only = make_aside("20261122T000001Z");
	ASSERT_TRUE(tidy(0).ok());
	EXPECT_EQ(names(), (Names{only}));
}

TEST_F(Diverged, OtherNamesAreNotTouched) {
	make_aside("20261122T000001Z");
	make_aside("20261122T000002Z");
	fs::create_directory(paths_.root + "/postgres.divergent");
	fs::create_directory_symlink("/tmp", paths_.root + "/postgres.diverged-link");
	for (const char *name : {"20261121T000000Z-keep", "20261121T000000Z.", "20261121T000000Z.x",
	                         "20261121T0000Z", "my-own"})
		EXPECT_TRUE(fs::exists(paths_.root + "/" + make_aside(name)));
	ASSERT_TRUE(tidy(1).ok());
	EXPECT_TRUE(fs::exists(paths_.root + "/postgres.divergent"));
	EXPECT_EQ(names(), (Names{"postgres.diverged-20261122T000002Z"}));
	for (const char *name : {"20261121T000000Z-keep", "20261121T000000Z.", "20261121T000000Z.x",
	                         "20261121T0000Z", "my-own"})
		EXPECT_TRUE(fs::exists(paths_.root + "/postgres.diverged-" + name)) << name;
	EXPECT_TRUE(fs::is_symlink(paths_.root + "/postgres.diverged-link"));
}

TEST_F(Diverged, ReportsWaitForAMasterToCompareWith) {
	make_fake_data(paths_.root + "/postgres.diverged-20261122T000001Z");
	ASSERT_TRUE(tidy(3).ok());
	const auto list = list_diverged(paths_);
	ASSERT_EQ(list.size(), 1U);
	EXPECT_TRUE(lacks_report(list[0]));
	EXPECT_TRUE(list[0].whole);
}

TEST_F(Diverged, AnInterruptedRewindIsKnownByItsNote) {
	make_fake_data(paths_.pgdata());
	core::DataState before = inspect(paths_, identity_, {}).state;
	ASSERT_TRUE(mark_rewind(paths_, before, core::DbUid{"cccccccc"}).ok());
	// pg_rewind has brought the upstream's.
	make_fake_data(paths_.pgdata(), "k2", "bbbbbbbb");
	auto dir = inspect(paths_, identity_, {});
	EXPECT_EQ(dir.kind, core::DataKind::Ours);
	EXPECT_TRUE(dir.half_rewound);
	EXPECT_EQ(dir.state, before);
	// The last step of a rewind: the note does not count any more.
	before.db.value = "cccccccc";
	ASSERT_TRUE(write_state(paths_.pgdata(), before).ok());
	dir = inspect(paths_, identity_, {});
	EXPECT_FALSE(dir.half_rewound);
	EXPECT_EQ(dir.state.db.value, "cccccccc");
	ASSERT_TRUE(unmark_rewind(paths_).ok());
	EXPECT_FALSE(inspect(paths_, identity_, {}).half_rewound);
}

TEST_F(Diverged, ASwapTakesTheNoteOfARewindAway) {
	make_fake_data(paths_.pgdata());
	const core::DataState before = inspect(paths_, identity_, {}).state;
	ASSERT_TRUE(mark_rewind(paths_, before, core::DbUid{"cccccccc"}).ok());
	const core::DbUid next{"dddddddd"};
	make_fake_data(paths_.clone(next), "k1", next.value);
	const auto aside = swap_in(paths_, identity_, paths_.clone(next), next);
	ASSERT_TRUE(aside.ok()) << aside.error().message;
	const auto dir = inspect(paths_, identity_, {});
	EXPECT_FALSE(dir.half_rewound);
	EXPECT_EQ(dir.state.db, next);
	EXPECT_FALSE(fs::exists(paths_.rewind_marker()));
	EXPECT_TRUE(fs::exists(aside->aside + "/PG_VERSION"));
	const auto why = why_replaced(aside->aside);
	ASSERT_TRUE(why.ok());
	EXPECT_TRUE(why->half_rewound);
	EXPECT_FALSE(why->cloned_anew);
	EXPECT_EQ(why->db, before.db);
}

TEST_F(Diverged, ANodesOwnFilesSurvive) {
	const std::string pgdata = paths_.pgdata();
	make_fake_data(pgdata);
	write_file(pgdata + "/postgresql.conf", "mine");
	write_file(pgdata + "/server.key", "secret");
	write_file(pgdata + "/backup_label.old", "label");
	fs::create_symlink("/etc/hostname", pgdata + "/link.crt");
	ASSERT_TRUE(keep_node_files(pgdata, paths_.rewind_files()).ok());
	write_file(pgdata + "/postgresql.conf", "the upstream's");
	fs::remove(pgdata + "/server.key");
	fs::remove(pgdata + "/link.crt");
	fs::remove(pgdata + "/backup_label.old");
	ASSERT_TRUE(restore_node_files(paths_.rewind_files(), pgdata).ok());
	EXPECT_EQ(read_file(pgdata + "/postgresql.conf"), "mine");
	EXPECT_EQ(read_file(pgdata + "/server.key"), "secret");
	EXPECT_EQ(fs::read_symlink(pgdata + "/link.crt"), "/etc/hostname");
	EXPECT_FALSE(fs::exists(pgdata + "/backup_label.old"));
	for (const char *name : {"stolon.state", "stolon.conf", "PG_VERSION", "standby.signal"})
		EXPECT_FALSE(is_node_file(name)) << name;
}

}  // namespace
}  // namespace stolon::launcher::test
