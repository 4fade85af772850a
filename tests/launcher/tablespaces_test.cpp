// Where the tablespaces of copies lie, and that none is removed that anybody may need.
#include "launcher/tablespaces.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "launcher/kept_tablespaces.h"
#include "launcher/rewind_trial.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;
using core::DbUid;

TEST(Tablespaces, OfACopyLieInADirectoryOfTheirOwn) {
	const DbUid db{"aaaaaaaa"};
	EXPECT_EQ(tablespace_of_copy("/disk/ts", db), "/disk/ts/stolon-aaaaaaaa");
	EXPECT_EQ(tablespace_of_copy("/disk/ts/stolon-bbbbbbbb", db), "/disk/ts/stolon-aaaaaaaa");
	EXPECT_EQ(tablespace_of_copy("/disk/ts/stolon-bbbbbbbb.2", db), "/disk/ts/stolon-aaaaaaaa");
	EXPECT_EQ(tablespace_of_copy("/disk/stolon-data", db), "/disk/stolon-data/stolon-aaaaaaaa");
}

class TablespaceDirectories : public DataDirTest {
protected:
	std::string make_place(const std::string &name) {
		const std::string place = paths_.root + "/places/" + name;
		fs::create_directories(place + "/PG_15");
		return place;
	}
	void refer(const std::string &directory, int oid, const std::string &place) {
		const std::string links = paths_.root + "/" + directory + "/pg_tblspc";
		fs::create_directories(links);
		fs::create_symlink(place, links + "/" + std::to_string(oid));
	}
};

TEST_F(TablespaceDirectories, GoWithTheCopyThatTheyWereMadeForAndNothingElseDoes) {
	const std::string mine = make_place("stolon-aaaaaaaa"), other = make_place("stolon-bbbbbbbb"),
	                  given = make_place("ts");
	const std::string copy = paths_.clone(DbUid{"aaaaaaaa"});
	// A marker that says more than it may.
	ASSERT_TRUE(announce_directory(copy, identity_, {mine, other, given}).ok());
	fs::create_directory(copy);
	ASSERT_TRUE(remove_half_made(paths_, identity_, copy).ok());
	EXPECT_FALSE(fs::exists(copy));
	EXPECT_FALSE(fs::exists(mine));
	EXPECT_TRUE(fs::exists(other));
	EXPECT_TRUE(fs::exists(given));
}

TEST_F(TablespaceDirectories, OfAKeptDirectoryGoWithItUnlessSomebodyElseRefersToThem) {
	const std::string own = make_place("a/stolon-aaaaaaaa"),
	                  shared = make_place("b/stolon-aaaaaaaa"),
	                  kept_too = make_place("c/stolon-aaaaaaaa"), given = make_place("ts");
	const std::string old = "postgres.diverged-20261122T000001Z";
	int oid = 1;
	for (const auto &place : {own, shared, kept_too, given})
		refer(old, oid++, place);
	refer("postgres", 1, shared);
	refer("postgres.diverged-20261122T000002Z", 1, kept_too);
	EXPECT_EQ(tablespaces_in(paths_.root + "/" + old)->size(), 4U);
	ASSERT_TRUE(remove_tablespaces_of_kept(paths_, paths_.root + "/" + old).ok());
	EXPECT_FALSE(fs::exists(own));
	EXPECT_TRUE(fs::exists(shared + "/PG_15"));
	EXPECT_TRUE(fs::exists(kept_too + "/PG_15"));
	EXPECT_TRUE(fs::exists(given + "/PG_15")) << "it was not made by the launcher";
}

/// Data that were set aside with a tablespace that CREATE TABLESPACE had put where it lies.
class KeptTablespaces : public TablespaceDirectories {
protected:
	void SetUp() override {
		make_fake_data(kept_, "k1", "aaaaaaaa");
		fs::create_directories(files_);
		write_file(files_ + "/1", "rows");
		refer(kept_name_, 16400, given_);
	}
	std::string kept_link() const { return fs::read_symlink(kept_ + "/pg_tblspc/16400").string(); }
	void expect_moved_to(const std::string &place) const {
		EXPECT_EQ(kept_link(), place);
		EXPECT_EQ(read_file(kept_ + "/pg_tblspc/16400/PG_15_202209061/1"), "rows");
		EXPECT_FALSE(fs::exists(files_)) << "PostgreSQL would empty it, or go on in it";
		EXPECT_TRUE(tablespaces_in_the_way(kept_).empty());
	}

	const std::string kept_name_ = "postgres.diverged-20261122T000001Z";
	const std::string kept_ = paths_.root + "/" + kept_name_;
	const std::string given_ = paths_.root + "/places/ts";
	const std::string files_ = given_ + "/PG_15_202209061";
	const std::string place_ = given_ + "/stolon-aaaaaaaa";
};

TEST_F(KeptTablespaces, LeaveTheLocationToWhomItIsGivenAgain) {
	fs::create_directories(given_ + "/PG_14_202107181");
	EXPECT_EQ(tablespaces_in_the_way(kept_), std::vector<std::string>{given_});
	for (int i = 0; i < 2; ++i) {
		move_tablespaces_of_kept(paths_, identity_);
		expect_moved_to(place_);
	}
	EXPECT_TRUE(fs::exists(given_ + "/PG_14_202107181")) << "it is another cluster's";
	ASSERT_TRUE(remove_tablespaces_of_kept(paths_, kept_).ok());
	EXPECT_FALSE(fs::exists(place_)) << "it goes with the data";
}

TEST_F(KeptTablespaces, AreNotForARewindToRemove) {
	make_fake_data(paths_.pgdata());
	refer("postgres", 16400, given_);
	EXPECT_TRUE(check_locations(paths_.pgdata()).ok());
	for (const char *other : {"stolon-aaaaaaaa", "PG_14_202107181"}) {
		fs::create_directory(given_ + "/" + other);
		const auto done = check_locations(paths_.pgdata());
		ASSERT_FALSE(done.ok());
		EXPECT_NE(done.error().message.find(other), std::string::npos) << done.error().message;
		fs::remove(given_ + "/" + other);
	}
}

TEST_F(KeptTablespaces, MoveOnAfterAnInterruptionAtEachStep) {
	fs::create_directories(place_);
	move_tablespaces_of_kept(paths_, identity_);
	expect_moved_to(place_);
	// The files had been moved, and a new link had been made beside the old one.
	fs::remove(kept_ + "/pg_tblspc/16400");
	refer(kept_name_, 16400, given_);
	fs::create_symlink(place_, kept_ + "/pg_tblspc/16400.stolon");
	move_tablespaces_of_kept(paths_, identity_);
	expect_moved_to(place_);
	EXPECT_FALSE(fs::exists(fs::symlink_status(kept_ + "/pg_tblspc/16400.stolon")));
}

TEST_F(KeptTablespaces, TakeNoPlaceOfAnother) {
	fs::create_directories(place_ + "/PG_15_202209061");
	fs::create_directories(given_ + "/stolon-bbbbbbbb/PG_15_202209061");
	refer("postgres.diverged-20261122T000002Z", 1, given_ + "/stolon-bbbbbbbb");
	refer("postgres.clone-cccccccc", 1, place_ + ".2");
	fs::create_directories(place_ + ".2");
	move_tablespaces_of_kept(paths_, identity_);
	expect_moved_to(place_ + ".3");
	EXPECT_TRUE(fs::is_empty(place_ + "/PG_15_202209061"));
	EXPECT_TRUE(fs::exists(given_ + "/stolon-bbbbbbbb/PG_15_202209061"));
}

TEST_F(KeptTablespaces, StayAndAreToldWhenTheyCannotBeMoved) {
	refer("postgres.diverged-20261122T000002Z", 16400, given_);
	move_tablespaces_of_kept(paths_, identity_);
	EXPECT_EQ(kept_link(), given_) << "whose the files are cannot be told";
	EXPECT_EQ(tablespaces_in_the_way(kept_), std::vector<std::string>{given_});
	fs::remove_all(paths_.root + "/postgres.diverged-20261122T000002Z");
	fs::permissions(given_, fs::perms(0500));
	move_tablespaces_of_kept(paths_, identity_);
	EXPECT_EQ(kept_link(), given_) << "it cannot be written to";
	EXPECT_EQ(read_file(files_ + "/1"), "rows");
	fs::permissions(given_, fs::perms(0700));
	fs::remove_all(given_);
	move_tablespaces_of_kept(paths_, identity_);
	EXPECT_EQ(kept_link(), given_) << "the disk is not there";
}

}  // namespace
}  // namespace stolon::launcher::test
