// What the launcher takes for its own, and that it never removes or replaces anything else.
#include "launcher/data_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

using core::DataKind;
using core::DbUid;

const DbUid old_db{"aaaaaaaa"};
const DbUid new_db{"bbbbbbbb"};

class DataDirectory : public DataDirTest {
protected:
	core::DataDir look(const std::optional<DbUid> &wanted = {}) {
		return inspect(paths_, identity_, wanted);
	}
	void expect_foreign(const std::string &part_of_problem) {
		const auto dir = look();
		EXPECT_EQ(dir.kind, DataKind::Foreign);
		EXPECT_NE(dir.problem.find(part_of_problem), std::string::npos) << dir.problem;
	}
	std::vector<std::string> set_aside() {
		std::vector<std::string> names;
		for (const auto &entry : std::filesystem::directory_iterator(paths_.root)) {
			if (entry.path().filename().string().starts_with(Paths::diverged_prefix))
				names.push_back(entry.path());
		}
		return names;
	}
};

TEST_F(DataDirectory, nothing_there_is_absent) {
	EXPECT_EQ(look().kind, DataKind::Absent);
}

TEST_F(DataDirectory, an_empty_directory_is_absent) {
	std::filesystem::create_directory(paths_.pgdata());
	EXPECT_EQ(look().kind, DataKind::Absent);
}

TEST_F(DataDirectory, complete_data_of_this_keeper_are_ours) {
	make_fake_data(paths_.pgdata());
	const auto dir = look();
	EXPECT_EQ(dir.kind, DataKind::Ours);
	EXPECT_EQ(dir.state.db, old_db);
	EXPECT_EQ(dir.system_id, "7000000000000000001");
}

TEST_F(DataDirectory, unknown_files_are_foreign) {
	std::filesystem::create_directory(paths_.pgdata());
	write_file(paths_.pgdata() + "/letter", "dear");
	expect_foreign("holds no database cluster");
}

TEST_F(DataDirectory, a_database_that_stolon_did_not_make_is_foreign) {
	make_fake_data(paths_.pgdata());
	std::filesystem::remove(paths_.pgdata() + "/" + state_file);
	expect_foreign("stolon did not make");
}

TEST_F(DataDirectory, a_damaged_state_is_foreign_not_absent) {
	make_fake_data(paths_.pgdata());
	write_file(paths_.pgdata() + "/" + state_file, "{\"db\":");
	expect_foreign("cannot be read");
}

TEST_F(DataDirectory, another_keepers_data_are_foreign) {
	make_fake_data(paths_.pgdata(), "k2");
	expect_foreign("belongs to keeper \"k2\"");
}

TEST_F(DataDirectory, another_clusters_data_are_foreign) {
	make_fake_data(paths_.pgdata(), "k1", "aaaaaaaa", "other");
	expect_foreign("of cluster \"other\"");
}

TEST_F(DataDirectory, data_without_a_control_file_are_foreign) {
	make_fake_data(paths_.pgdata());
	std::filesystem::remove(paths_.pgdata() + "/global/pg_control");
	expect_foreign("pg_control");
}

TEST_F(DataDirectory, a_file_and_a_symbolic_link_are_foreign) {
	write_file(paths_.pgdata(), "text");
	expect_foreign("not a directory");
	std::filesystem::remove(paths_.pgdata());
	make_fake_data(paths_.root + "/elsewhere");
	std::filesystem::create_symlink(paths_.root + "/elsewhere", paths_.pgdata());
	expect_foreign("not a directory");
}

TEST_F(DataDirectory, a_copy_with_the_upstreams_state_is_not_complete) {
	make_fake_data(paths_.clone(new_db), "k2", "cccccccc");
	EXPECT_FALSE(look(new_db).clone_ready);
}

TEST_F(DataDirectory, a_copy_with_our_state_is_complete) {
	make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
	EXPECT_EQ(look(new_db).clone_ready, new_db);
}

TEST_F(DataDirectory, the_wanted_one_of_two_complete_copies_is_found) {
	make_fake_data(paths_.clone(old_db), "k1", "aaaaaaaa");
	make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
	EXPECT_EQ(look(old_db).clone_ready, old_db);
	EXPECT_EQ(look(new_db).clone_ready, new_db);
}

// LESSONS C-4, C-5
TEST_F(DataDirectory, only_interrupted_copies_that_we_announced_are_removed) {
	const std::string half = paths_.clone(new_db);
	ASSERT_TRUE(announce_directory(half, identity_).ok());
	make_fake_data(half, "k2", "cccccccc");
	const std::string without_state = paths_.init(new_db);
	ASSERT_TRUE(announce_directory(without_state, identity_).ok());
	std::filesystem::create_directory(without_state);
	const std::string complete = paths_.clone(old_db);
	ASSERT_TRUE(announce_directory(complete, identity_).ok());
	make_fake_data(complete, "k1", "aaaaaaaa");
	const std::string not_announced = paths_.clone(DbUid{"dddddddd"});
	std::filesystem::create_directory(not_announced);
	const std::string other_name = paths_.root + "/postgres.clone-mine";
	std::filesystem::create_directory(other_name);
	write_file(Paths::marker_of(other_name), "k1\n");
	make_fake_data(paths_.root + "/postgres.diverged-20260101T000000Z");

	ASSERT_TRUE(remove_half_made(paths_, identity_, half).ok());
	EXPECT_FALSE(std::filesystem::exists(half));
	EXPECT_FALSE(std::filesystem::exists(Paths::marker_of(half)));
	EXPECT_FALSE(std::filesystem::exists(without_state));
	EXPECT_TRUE(std::filesystem::exists(complete));
	EXPECT_TRUE(std::filesystem::exists(not_announced));
	EXPECT_TRUE(std::filesystem::exists(other_name));
	EXPECT_TRUE(std::filesystem::exists(paths_.root + "/postgres.diverged-20260101T000000Z"));
}

TEST_F(DataDirectory, removing_an_interrupted_copy_does_not_follow_links) {
	make_fake_data(paths_.root + "/precious");
	const std::string half = paths_.clone(new_db);
	ASSERT_TRUE(announce_directory(half, identity_).ok());
	std::filesystem::create_directories(half + "/pg_tblspc");
	std::filesystem::create_symlink(paths_.root + "/precious", half + "/pg_tblspc/16384");
	ASSERT_TRUE(remove_half_made(paths_, identity_, half).ok());
	EXPECT_FALSE(std::filesystem::exists(half));
	EXPECT_TRUE(std::filesystem::exists(paths_.root + "/precious/PG_VERSION"));
}

TEST_F(DataDirectory, a_link_in_the_place_of_a_copy_is_not_removed_and_reported) {
	make_fake_data(paths_.root + "/precious");
	const std::string half = paths_.clone(new_db);
	write_file(Paths::marker_of(half), "k1\n");
	std::filesystem::create_symlink(paths_.root + "/precious", half);
	const auto status = remove_half_made(paths_, identity_, half);
	ASSERT_FALSE(status.ok());
	EXPECT_NE(status.error().message.find("in the way"), std::string::npos);
	EXPECT_TRUE(std::filesystem::exists(paths_.root + "/precious/PG_VERSION"));
}

TEST_F(DataDirectory, nothing_is_announced_over_something) {
	std::filesystem::create_directory(paths_.clone(new_db));
	EXPECT_FALSE(announce_directory(paths_.clone(new_db), identity_).ok());
}

TEST_F(DataDirectory, a_swap_keeps_the_old_directory) {
	make_fake_data(paths_.pgdata());
	write_file(paths_.pgdata() + "/only_copy", "rows");
	make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
	const auto aside = swap_in(paths_, identity_, paths_.clone(new_db), new_db);
	ASSERT_TRUE(aside.ok()) << aside.error().message;
	EXPECT_EQ(look().state.db, new_db);
	EXPECT_EQ(read_file(aside->aside + "/only_copy"), "rows");
	EXPECT_EQ(set_aside(), std::vector<std::string>{aside->aside});
}

TEST_F(DataDirectory, two_swaps_in_one_second_keep_both_old_directories) {
	make_fake_data(paths_.pgdata());
	for (int i = 0; i < 2; ++i) {
		make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
		ASSERT_TRUE(swap_in(paths_, identity_, paths_.clone(new_db), new_db).ok());
	}
	EXPECT_EQ(set_aside().size(), 2U);
}

TEST_F(DataDirectory, an_interrupted_swap_is_finished) {
	make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
	const auto aside = swap_in(paths_, identity_, paths_.clone(new_db), new_db);
	ASSERT_TRUE(aside.ok()) << aside.error().message;
	EXPECT_EQ(aside->aside, "");
	EXPECT_EQ(look().state.db, new_db);
}

TEST_F(DataDirectory, a_swap_does_not_touch_foreign_data) {
	make_fake_data(paths_.pgdata(), "k2");
	make_fake_data(paths_.clone(new_db), "k1", "bbbbbbbb");
	EXPECT_FALSE(swap_in(paths_, identity_, paths_.clone(new_db), new_db).ok());
	EXPECT_TRUE(set_aside().empty());
	EXPECT_TRUE(std::filesystem::exists(paths_.clone(new_db)));
}

TEST_F(DataDirectory, a_swap_takes_only_the_complete_copy_of_the_wanted_db) {
	make_fake_data(paths_.pgdata());
	make_fake_data(paths_.clone(new_db), "k1", "cccccccc");
	EXPECT_FALSE(swap_in(paths_, identity_, paths_.clone(new_db), new_db).ok());
	make_fake_data(paths_.clone(new_db), "k2", "bbbbbbbb");
	EXPECT_FALSE(swap_in(paths_, identity_, paths_.clone(new_db), new_db).ok());
	EXPECT_EQ(look().state.db, old_db);
}

TEST_F(DataDirectory, a_start_as_standby_and_then_as_primary) {
	make_fake_data(paths_.pgdata());
	ASSERT_TRUE(prepare_start(paths_.pgdata(), "a = 1\n", "local all all peer\n", true).ok());
	EXPECT_TRUE(std::filesystem::exists(paths_.pgdata() + "/standby.signal"));
	EXPECT_EQ(read_file(paths_.pgdata() + "/stolon.conf"), "a = 1\n");
	EXPECT_EQ(read_file(paths_.pgdata() + "/pg_hba.conf"), "local all all peer\n");
	ASSERT_TRUE(prepare_start(paths_.pgdata(), "a = 2\n", "", false).ok());
	EXPECT_FALSE(std::filesystem::exists(paths_.pgdata() + "/standby.signal"));
	EXPECT_EQ(read_file(paths_.pgdata() + "/pg_hba.conf"), "local all all peer\n");
	EXPECT_EQ(read_file(paths_.pgdata() + "/postgresql.conf"),
	          "port = 5432\ninclude_if_exists = 'stolon.conf'\n");
}

TEST_F(DataDirectory, a_standbys_data_stay_a_standbys_while_its_signal_file_is_away) {
	const std::string pgdata = paths_.pgdata();
	make_fake_data(pgdata);
	EXPECT_FALSE(look().is_standby);
	write_file(pgdata + "/standby.signal", "");
	ASSERT_TRUE(note_standby(pgdata).ok());
	std::filesystem::remove(pgdata + "/standby.signal");
	EXPECT_TRUE(look().is_standby) << "the recovery of a rewind was interrupted";
	ASSERT_TRUE(put_standby_signal_back(pgdata).ok());
	EXPECT_TRUE(std::filesystem::exists(pgdata + "/standby.signal"));
	EXPECT_FALSE(std::filesystem::exists(pgdata + "/stolon.was-standby"));
	// Without any file, by what pg_control says.
	std::filesystem::remove(pgdata + "/standby.signal");
	const std::string control = read_file(pgdata + "/global/pg_control").substr(0, 8);
	for (const auto &[state, standby] :
	     std::map<char, bool>{{1, false}, {2, true}, {4, false}, {5, true}, {6, false}}) {
		write_file(pgdata + "/global/pg_control",
		           control + std::string(8, 'v') + state + std::string(7, '\0'));
		EXPECT_EQ(look().is_standby, standby) << int(state);
	}
}

TEST_F(DataDirectory, the_include_has_the_last_word_again_after_an_edit) {
	make_fake_data(paths_.pgdata());
	write_file(paths_.pgdata() + "/postgresql.conf",
	           "include_if_exists = 'stolon.conf'\nport = 1 # mine");
	ASSERT_TRUE(prepare_start(paths_.pgdata(), "", "", false).ok());
	EXPECT_EQ(read_file(paths_.pgdata() + "/postgresql.conf"),
	          "include_if_exists = 'stolon.conf'\nport = 1 # mine\n"
	          "include_if_exists = 'stolon.conf'\n");
}

}  // namespace
}  // namespace stolon::launcher::test
