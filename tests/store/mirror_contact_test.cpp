// Since when a mirror is in contact with the store, against the fake, whose clock these tests move.
#include "tests/store/mirror_fixture.h"

namespace stolon::store::test {
namespace {

TEST_F(MirrorTest, OutageEndsContactAndItBeginsAnewWithTheNextAnswer) {
	put("c/a", "1");
	ASSERT_TRUE(ready());
	run(seconds(7));
	const Instant before = mirror->contact_since();
	EXPECT_LT(before, backend.time - seconds(6));
	backend.cluster.set_available(false);
	run(seconds(10));
	EXPECT_FALSE(mirror->in_contact());
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	EXPECT_NE(mirror->problem(), "");
	EXPECT_EQ(value("c/a"), "1") << "missing information changes nothing";
	backend.cluster.set_available(true);
	const Instant back = backend.time;
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(3)));
	EXPECT_GE(mirror->contact_since(), back);
	EXPECT_EQ(mirror->contact_since(), backend.time);
	EXPECT_EQ(mirror->problem(), "");
}

TEST_F(MirrorTest, OverdueAnswerEndsContactAtOnce) {
	make_mirror({.prefix = "c/", .request_timeout = seconds(1), .probe_interval = seconds(2)});
	ASSERT_TRUE(ready());
	backend.cluster.set_available(false);
	EXPECT_TRUE(run_until([&] { return !mirror->in_contact(); }, seconds(3) + milliseconds(5)));
}

TEST_F(MirrorTest, ProcessThatSleptHasNoContactForThatTime) {
	ASSERT_TRUE(ready());
	run(seconds(1));
	const Instant before = mirror->contact_since();
	// Frozen with no request under way: nothing fails, but nothing was heard either.
	backend.time = backend.time + seconds(60);
	backend.cluster.set_now(backend.time);
	ASSERT_TRUE(run_until([&] { return mirror->contact_since() > before; }, seconds(3)));
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(3)));
	EXPECT_GE(mirror->contact_since(), before + seconds(60));
}

/// Sleeps with a read under way, whose answer is there at the end.
class SleepingMirrorTest : public MirrorTest {
protected:
	void sleep_over_an_answer(Duration time) {
		make_mirror({.prefix = "c/"});
		ASSERT_TRUE(ready());
		run(seconds(1));
		mirror->refresh();
		mirror->poll(backend.time);
		backend.time = backend.time + time;
		backend.cluster.set_now(backend.time);
		store->process();
		mirror->poll(backend.time);
		EXPECT_FALSE(mirror->in_contact());
		EXPECT_NE(mirror->problem(), "");
	}
};

TEST_F(SleepingMirrorTest, AnswerAfterALongSleepIsNoContact) {
	sleep_over_an_answer(seconds(60));
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	const Instant awake = backend.time;
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(1)));
	EXPECT_GT(mirror->contact_since(), awake);
}

TEST_F(SleepingMirrorTest, AnswerThatIsALittleLateDoesNotEndContact) {
	const Instant start = backend.time;
	sleep_over_an_answer(seconds(4));
	EXPECT_LT(mirror->contact_since(), start + seconds(1));
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(1)));
	EXPECT_LT(mirror->contact_since(), start + seconds(1));
}

TEST_F(SleepingMirrorTest, LateAnswerIsNoSignOfLifeFromTheTimeWhenItIsRead) {
	const Instant start = backend.time;
	sleep_over_an_answer(seconds(6));
	// The store was there when the sleep began. It goes away before anything else is heard.
	backend.cluster.set_available(false);
	run(seconds(4));
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	EXPECT_GT(backend.time, start + seconds(8));
}

/// With the times of a sentinel for failInterval 5 s.
class SlowStoreTest : public MirrorTest {
protected:
	void SetUp() override {
		MirrorTest::SetUp();
		make_mirror({.prefix = "c/",
		             .request_timeout = seconds(1),
		             .resync_interval = seconds(5),
		             .probe_interval = seconds(1)});
		ASSERT_TRUE(ready());
		run(seconds(1));
	}
	void be_away(Duration time) {
		backend.cluster.set_available(false);
		run(time);
		backend.cluster.set_available(true);
	}
};

TEST_F(SlowStoreTest, StoreThatIsSlowNowAndThenDoesNotPutAnElectionOff) {
	const Instant since = mirror->contact_since();
	int failures = 0;
	for (int i = 0; i < 20; i++) {
		be_away(milliseconds(1500) + milliseconds(37 * i % 500));
		failures += mirror->in_contact() ? 0 : 1;
		EXPECT_EQ(mirror->contact_since(), since);
		ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(1)));
		EXPECT_EQ(mirror->contact_since(), since);
		run(milliseconds(700));
	}
	EXPECT_GT(failures, 10) << "the test has to lose requests";
}

TEST_F(SlowStoreTest, MasterGetsTheTimeToBeatAfterALongOutage) {
	be_away(seconds(20));
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	const Instant back = backend.time;
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(2)));
	EXPECT_GE(mirror->contact_since(), back);
	EXPECT_EQ(mirror->contact_since(), backend.time);
}

TEST_F(SlowStoreTest, MasterGetsTheTimeToBeatAfterAnyOutage) {
	// It beats each second; the last beat may be a second older than the outage.
	constexpr Duration valid = seconds(5), beat = seconds(1);
	for (int tenths = 1; tenths <= 60; tenths++) {
		run(seconds(3) + milliseconds(37 * tenths % 1000));
		const Instant last_beat = backend.time - beat;
		be_away(milliseconds(100) * tenths);
		const Instant back = backend.time;
		ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(2)));
		const Instant judged = std::max(last_beat, mirror->contact_since()) + valid;
		EXPECT_GE(judged, back + beat) << tenths << " tenths of a second";
	}
}

}  // namespace
}  // namespace stolon::store::test
