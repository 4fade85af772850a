// The event loop that all programs share: what wakes it, and what may be done from within.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "store/program/program.h"

namespace stolon::program {
namespace {

using core::Instant;
using core::milliseconds;

/// A store that never does anything, with an fd and a deadline that the test sets.
class IdleStore : public store::Store {
public:
	IdleStore() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
	~IdleStore() override { close(fd_); }

	store::RequestId range(store::RangeRequest, store::Duration,
	                       store::Callback<store::RangeResponse>) override {
		return 0;
	}
	store::RequestId txn(store::TxnRequest, store::Duration,
	                     store::Callback<store::TxnResponse>) override {
		return 0;
	}
	store::RequestId lease_grant(store::Duration, store::Duration,
	                             store::Callback<store::LeaseGrantResponse>) override {
		return 0;
	}
	store::RequestId lease_keepalive(std::int64_t, store::Duration,
	                                 store::Callback<store::Duration>) override {
		return 0;
	}
	store::RequestId lease_revoke(std::int64_t, store::Duration, store::Callback<bool>) override {
		return 0;
	}
	store::RequestId watch(store::WatchRequest, store::WatchHandler) override { return 0; }
	void cancel(store::RequestId) override {}
	int fd() const override { return fd_; }
	std::optional<Instant> deadline() const override { return wanted; }
	void process() override {
		++processed;
		std::uint64_t count = 0;
		[[maybe_unused]] ssize_t ignored = read(fd_, &count, sizeof(count));
		if (wanted && *wanted <= store::now()) {
			wanted.reset();
		}
	}
	std::string current_endpoint() const override { return ""; }

	/// As if the network had brought something.
	void ring() const {
		const std::uint64_t one = 1;
		ASSERT_EQ(write(fd_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
	}

	std::optional<Instant> wanted;
	int processed = 0;

private:
	int fd_;
};

constexpr core::Duration long_time = core::seconds(60);

class LoopTest : public testing::Test {
protected:
	/// Runs until `steps` steps were made; each asks to be called again after `pause`.
	void run_steps(int steps, core::Duration pause) {
		loop.run(store, [&, made = 0](Instant now) mutable {
			if (++made == steps) {
				loop.stop(ExitOk);
			}
			return now + pause;
		});
	}

	IdleStore store;
	Loop loop;
};

TEST_F(LoopTest, StepIsCalledAgainAtTheInstantItAskedFor) {
	const Instant started = store::now();
	run_steps(3, milliseconds(20));
	EXPECT_GE(store::now() - started, milliseconds(40));
	EXPECT_LT(store::now() - started, long_time);
}

TEST_F(LoopTest, AnInstantInThePastDoesNotBlock) {
	run_steps(3, milliseconds(-5000));
	EXPECT_GE(store.processed, 3);
}

TEST_F(LoopTest, StopGivesTheExitCode) {
	loop.run(store, [&](Instant now) {
		loop.stop(ExitStore);
		return now + long_time;
	});
	EXPECT_EQ(loop.exit_code(), ExitStore);
}

TEST_F(LoopTest, StoreIsProcessedBeforeTheStepWhenItsFdIsReadable) {
	int steps = 0;
	loop.run(store, [&](Instant now) {
		EXPECT_EQ(store.processed, ++steps);
		if (steps == 2) {
			loop.stop(ExitOk);
		}
		store.ring();
		return now + long_time;
	});
	EXPECT_EQ(steps, 2);
}

TEST_F(LoopTest, StoresDeadlineCountsAlsoWhenTheStepSetIt) {
	int steps = 0;
	const Instant started = store::now();
	loop.run(store, [&](Instant now) {
		if (++steps == 2) {
			loop.stop(ExitOk);
		}
		store.wanted = now + milliseconds(20);
		return now + long_time;
	});
	EXPECT_GE(store::now() - started, milliseconds(20));
}

TEST_F(LoopTest, SignalCallsItsHandlerAndThenTheStep) {
	int handled = 0;
	loop.on_signal(SIGUSR1, [&] { ++handled; });
	int steps = 0;
	loop.run(store, [&](Instant now) {
		if (++steps == 1) {
			kill(getpid(), SIGUSR1);
		} else {
			EXPECT_EQ(handled, 1);
			loop.stop(ExitOk);
		}
		return now + long_time;
	});
	EXPECT_EQ(handled, 1);
}

TEST_F(LoopTest, HandlerMayForgetItsOwnFd) {
	const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	// Held by the handler alone: destroyed too early, it would be gone under its feet.
	auto calls = std::make_shared<int>(0);
	std::weak_ptr<int> seen = calls;
	int total = 0;
	loop.on_readable(fd, [&, calls = std::move(calls)] {
		loop.forget_fd(fd);
		total += ++*calls;
	});
	run_steps(4, milliseconds(5));
	EXPECT_EQ(total, 1);
	EXPECT_TRUE(seen.expired());
	close(fd);
}

TEST_F(LoopTest, HandlerMayReplaceItself) {
	const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	std::string order;
	loop.on_readable(fd, [&] {
		order += 'a';
		loop.on_readable(fd, [&] {
			order += 'b';
			loop.forget_fd(fd);
		});
	});
	run_steps(4, milliseconds(5));
	EXPECT_EQ(order, "ab");
	close(fd);
}

TEST_F(LoopTest, WakeFromAStepMakesTheNextOneAtOnce) {
	int steps = 0;
	const Instant started = store::now();
	loop.run(store, [&](Instant now) {
		++steps;
		if (steps < 3) {
			loop.wake();
		} else {
			loop.stop(ExitOk);
		}
		return now + long_time;
	});
	EXPECT_LT(store::now() - started, long_time);
}

TEST_F(LoopTest, WakesDoNotStarveFds) {
	const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	bool called = false;
	loop.on_readable(fd, [&] { called = true; });
	int steps = 0;
	loop.run(store, [&](Instant now) {
		loop.wake();
		if (called || ++steps == 1000) {
			loop.stop(ExitOk);
		}
		return now + long_time;
	});
	EXPECT_TRUE(called);
	close(fd);
}

}  // namespace
}  // namespace stolon::program
