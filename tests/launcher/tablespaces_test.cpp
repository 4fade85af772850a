// Where the tablespaces of copies lie, and that none is removed that anybody may need.
#include "launcher/tablespaces.h"

#include <gtest/gtest.h>

#include <filesystem>

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

}  // namespace
}  // namespace stolon::launcher::test
