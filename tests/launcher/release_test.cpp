// The release of a mastership: said only for the present naming, and at most once, whatever
// happens to its answer.
#include "launcher/release.h"

#include <gtest/gtest.h>

#include <memory>

#include "store/fake/fake_store.h"

namespace stolon::launcher {
namespace {

using core::DbUid;
using core::Instant;
using store::Op;

const core::KeeperUid keeper{"k1"};
const DbUid own_db{"aaaaaaaa"};
const DbUid other_db{"bbbbbbbb"};

class Release : public testing::Test {
protected:
	Release() {
		cluster_.set_now(now_);
		launcher_ = cluster_.connect();
		others_ = cluster_.connect();
		store::MirrorOptions options;
		options.prefix = keys_.root();
		mirror_ = std::make_unique<store::Mirror>(*launcher_, options);
		releaser_ = std::make_unique<Releaser>(*launcher_, keys_, keeper);
	}

	/// Lets time pass and everything that is under way arrive.
	void settle(core::Duration step = core::milliseconds(10)) {
		for (int i = 0; i < 30; ++i) {
			now_ = now_ + step;
			cluster_.set_now(now_);
			others_->process();
			launcher_->process();
			mirror_->poll(now_);
			if (follow_mirror_)
				releaser_->observe(*mirror_);
		}
	}
	/// A mirror that has read everything once and learns nothing more.
	std::unique_ptr<store::Mirror> read_all(store::FakeCluster &cluster, store::Store &connection) {
		store::MirrorOptions options;
		options.prefix = keys_.root();
		auto mirror = std::make_unique<store::Mirror>(connection, options);
		for (int i = 0; i < 30 && !mirror->ready(); ++i) {
			now_ = now_ + core::milliseconds(10);
			cluster.set_now(now_);
			mirror->poll(now_);
			connection.process();
		}
		EXPECT_TRUE(mirror->ready());
		return mirror;
	}
	std::int64_t put(const std::string &key, const std::string &value) {
		store::TxnRequest request;
		request.then_ops = {Op::put(key, value)};
		std::int64_t revision = 0;
		others_->txn(request, core::seconds(1), [&](core::Result<store::TxnResponse> result) {
			ASSERT_TRUE(result.ok());
			revision = result->revision;
		});
		settle();
		return revision;
	}
	std::int64_t name_master(const DbUid &db, std::uint64_t epoch) {
		return put(keys_.master(), core::master_key_to_text({core::Epoch{epoch}, db}));
	}
	core::Beat beat_of(const DbUid &db, std::uint64_t epoch, std::int64_t master_revision) {
		core::Beat beat;
		beat.epoch = core::Epoch{epoch};
		beat.db = db;
		beat.master_revision = master_revision;
		beat.valid = core::seconds(5);
		beat.position = {core::Timeline{1}, core::Lsn{0x5000060}};
		beat.writable = true;
		return beat;
	}
	std::int64_t put_beat(const core::Beat &beat) {
		return put(keys_.beat(keeper), core::beat_to_text(beat));
	}
	core::Beat stored_beat() {
		settle();
		const auto *entry = mirror_->find(keys_.beat(keeper));
		EXPECT_NE(entry, nullptr);
		auto beat = core::parse_beat(entry->value);
		EXPECT_TRUE(beat.ok());
		return *beat;
	}
	void release(std::optional<core::WalPosition> clean_end = {}) {
		releaser_->release(own_db, {"postmaster was killed by signal 9", clean_end, false},
		                   core::seconds(1), now_, [this] { ++answers_; });
		settle();
	}

	core::Keys keys_{"stolon/cluster", "main"};
	Instant now_{core::seconds(1000)};
	store::FakeCluster cluster_;
	std::unique_ptr<store::Store> launcher_, others_;
	std::unique_ptr<store::Mirror> mirror_;
	std::unique_ptr<Releaser> releaser_;
	bool follow_mirror_ = true;
	int answers_ = 0;
};

TEST_F(Release, the_masters_beat_is_replaced_and_keeps_what_it_said) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	ASSERT_TRUE(releaser_->is_needed(own_db));
	release();
	EXPECT_EQ(answers_, 1);
	EXPECT_FALSE(releaser_->is_needed(own_db));
	// Also whether recovery was over: the sentinel concludes from it which timelines may exist.
	core::Beat expected = beat_of(own_db, 3, master);
	expected.released = true;
	expected.reason = "postmaster was killed by signal 9";
	EXPECT_EQ(stored_beat(), expected);
	EXPECT_EQ(releaser_->released_revision(own_db),
	          mirror_->find(keys_.beat(keeper))->mod_revision);
}

TEST_F(Release, how_far_the_data_had_come_is_known_from_their_last_beat) {
	const auto master = name_master(own_db, 3);
	settle();
	EXPECT_FALSE(releaser_->told(own_db).lsn.valid());
	core::Beat beat = beat_of(own_db, 3, master);
	put_beat(beat);
	EXPECT_EQ(releaser_->told(own_db), beat.position);
	EXPECT_FALSE(releaser_->told(other_db).lsn.valid());
	release();
	EXPECT_EQ(releaser_->told(own_db), beat.position);
	name_master(other_db, 4);
	EXPECT_EQ(releaser_->told(own_db), beat.position);
	beat.writable = false;
	put_beat(beat);
	EXPECT_FALSE(releaser_->told(own_db).lsn.valid()) << "what was replayed in recovery";
}

TEST_F(Release, nothing_is_needed_before_the_first_beat) {
	name_master(own_db, 3);
	EXPECT_FALSE(releaser_->is_needed(own_db));
	EXPECT_EQ(releaser_->released_revision(own_db), 0);
}

TEST_F(Release, nothing_is_needed_when_another_db_is_the_master) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	name_master(other_db, 4);
	EXPECT_FALSE(releaser_->is_needed(own_db));
	release();
	EXPECT_EQ(answers_, 0);
	EXPECT_FALSE(stored_beat().released);
}

TEST_F(Release, nothing_is_needed_during_an_election) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	name_master({}, 4);
	EXPECT_FALSE(releaser_->is_needed(own_db));
}

TEST_F(Release, a_beat_of_an_earlier_naming_is_not_released) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	name_master(own_db, 4);
	EXPECT_FALSE(releaser_->is_needed(own_db));
}

TEST_F(Release, a_release_of_an_earlier_naming_is_not_outstanding) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	release();
	ASSERT_NE(releaser_->released_revision(own_db), 0);
	name_master(own_db, 4);
	EXPECT_EQ(releaser_->released_revision(own_db), 0);
}

TEST_F(Release, an_election_that_was_opened_meanwhile_wins) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	follow_mirror_ = false;
	name_master({}, 4);
	ASSERT_TRUE(releaser_->is_needed(own_db)) << "it does not know yet";
	release();
	EXPECT_EQ(answers_, 1);
	EXPECT_FALSE(releaser_->is_needed(own_db));
	EXPECT_FALSE(stored_beat().released);
}

TEST_F(Release, a_beat_that_was_still_on_its_way_is_released_by_the_next_attempt) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	follow_mirror_ = false;
	auto late = beat_of(own_db, 3, master);
	late.position.lsn.value += 100;
	put_beat(late);
	release();
	EXPECT_TRUE(releaser_->is_needed(own_db)) << releaser_->last_outcome();
	release();
	EXPECT_FALSE(releaser_->is_needed(own_db));
	EXPECT_TRUE(stored_beat().released);
	EXPECT_EQ(stored_beat().position, late.position);
}

TEST_F(Release, a_beat_that_comes_after_the_release_is_released_again) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	release();
	put_beat(beat_of(own_db, 3, master));
	EXPECT_TRUE(releaser_->is_needed(own_db));
	release();
	EXPECT_TRUE(stored_beat().released);
}

TEST_F(Release, an_orderly_end_is_told_with_its_position) {
	put_beat(beat_of(own_db, 3, name_master(own_db, 3)));
	const core::WalPosition end{core::Timeline{1}, core::Lsn{0x6000078}};
	release(end);
	EXPECT_TRUE(stored_beat().clean);
	EXPECT_EQ(stored_beat().position, end);
}

TEST_F(Release, a_store_that_went_back_is_believed) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	release();
	ASSERT_NE(releaser_->released_revision(own_db), 0);
	store::FakeCluster restored;
	const auto connection = restored.connect();
	const auto mirror = read_all(restored, *connection);
	ASSERT_LT(mirror->revision(), mirror_->revision());
	releaser_->observe(*mirror);
	EXPECT_EQ(releaser_->released_revision(own_db), 0) << "nothing is said of a release there";
}

TEST_F(Release, what_was_read_before_the_release_does_not_undo_it) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	const auto connection = cluster_.connect();
	const auto behind = read_all(cluster_, *connection);
	follow_mirror_ = false;
	release();
	ASSERT_NE(releaser_->released_revision(own_db), 0);
	ASSERT_LT(behind->revision(), mirror_->revision());
	releaser_->observe(*behind);
	EXPECT_NE(releaser_->released_revision(own_db), 0);
}

TEST_F(Release, an_answer_that_was_lost_is_found_by_the_next_attempt) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	follow_mirror_ = false;
	cluster_.lose_next_answer();
	releaser_->release(own_db, {"killed", {}, false}, core::seconds(1), now_,
	                   [this] { ++answers_; });
	settle(core::milliseconds(100));
	ASSERT_EQ(answers_, 1);
	ASSERT_TRUE(releaser_->is_needed(own_db)) << "nobody knows yet";
	ASSERT_TRUE(releaser_->retry_at());
	release();
	EXPECT_EQ(answers_, 2);
	EXPECT_FALSE(releaser_->is_needed(own_db));
	EXPECT_NE(releaser_->released_revision(own_db), 0);
	EXPECT_EQ(releaser_->released_revision(own_db), mirror_->find(keys_.beat(keeper))->mod_revision)
	    << "it was put once";
}

TEST_F(Release, a_store_that_is_away_is_tried_again_later) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	cluster_.set_available(false);
	releaser_->release(own_db, {"killed", {}, false}, core::seconds(1), now_,
	                   [this] { ++answers_; });
	settle(core::milliseconds(100));
	EXPECT_EQ(answers_, 1);
	EXPECT_TRUE(releaser_->is_needed(own_db));
	cluster_.set_available(true);
	release();
	EXPECT_FALSE(releaser_->is_needed(own_db));
}

TEST_F(Release, a_damaged_master_key_is_nobodys) {
	const auto master = name_master(own_db, 3);
	put_beat(beat_of(own_db, 3, master));
	put(keys_.master(), "{\"epoch\":");
	EXPECT_FALSE(releaser_->is_needed(own_db));
}

}  // namespace
}  // namespace stolon::launcher
