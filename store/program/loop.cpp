#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "spdlog/spdlog.h"
#include "store/program/program.h"

namespace stolon::program {

namespace {

/// The process cannot work without its loop; this happens only when it is out of fds or memory.
[[noreturn]] void give_up(const char *what) {
	spdlog::critical("cannot {}: {}", what, std::strerror(errno));
	std::exit(ExitFailed);
}

/// One event and what it calls.
struct Watch {
	Watch(event_base *base, evutil_socket_t source, short what, std::function<void()> handler)
	    : handler_(std::move(handler)), event_(event_new(base, source, what, &Watch::fired, this)) {
		if (event_ == nullptr || event_add(event_, nullptr) != 0) {
			give_up("watch an event");
		}
	}
	~Watch() { event_free(event_); }
	Watch(const Watch &) = delete;
	Watch &operator=(const Watch &) = delete;

	void disable() { event_del(event_); }

private:
	static void fired(evutil_socket_t, short, void *self) {
		static_cast<Watch *>(self)->handler_();
	}

	std::function<void()> handler_;
	event *event_;
};

using WatchMap = std::map<int, std::unique_ptr<Watch>>;

}  // namespace

struct Loop::Impl {
	event_base *base = nullptr;
	int timer_fd = -1;
	std::unique_ptr<Watch> timer;
	WatchMap signals;
	WatchMap fds;
	/// Forgotten in this batch. A handler may forget itself, so it is destroyed after the batch.
	std::vector<std::unique_ptr<Watch>> forgotten;
	bool woken = false;
	bool stopped = false;
	int exit_code = ExitOk;

	/// Wakes the loop at `when`. CLOCK_BOOTTIME, as Instant: it also counts the time that the
	/// machine was suspended, which libevent's own timers do not.
	void arm_timer(core::Instant when) {
		const auto since_boot = std::max<std::int64_t>(1, when.since_boot.count());
		itimerspec spec{};
		spec.it_value.tv_sec = static_cast<time_t>(since_boot / 1'000'000'000);
		spec.it_value.tv_nsec = static_cast<long>(since_boot % 1'000'000'000);
		if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, nullptr) != 0) {
			give_up("set a timer");
		}
	}

	void drain_timer() const {
		std::uint64_t expirations = 0;
		// EAGAIN: it was armed anew in the meantime.
		[[maybe_unused]] ssize_t ignored = read(timer_fd, &expirations, sizeof(expirations));
	}

	static void move_out(WatchMap &from, int key, std::vector<std::unique_ptr<Watch>> &to) {
		auto found = from.find(key);
		if (found != from.end()) {
			found->second->disable();
			to.push_back(std::move(found->second));
			from.erase(found);
		}
	}
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
	impl_->base = event_base_new();
	if (impl_->base == nullptr) {
		give_up("make an event loop");
	}
	impl_->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (impl_->timer_fd < 0) {
		give_up("make a timer");
	}
	impl_->timer = std::make_unique<Watch>(impl_->base, impl_->timer_fd, EV_READ | EV_PERSIST,
	                                       [this] { impl_->drain_timer(); });
}

Loop::~Loop() {
	impl_->signals.clear();
	impl_->fds.clear();
	impl_->forgotten.clear();
	impl_->timer.reset();
	close(impl_->timer_fd);
	event_base_free(impl_->base);
}

void Loop::on_signal(int signal_number, std::function<void()> handler) {
	Impl::move_out(impl_->signals, signal_number, impl_->forgotten);
	impl_->signals[signal_number] = std::make_unique<Watch>(
	    impl_->base, signal_number, EV_SIGNAL | EV_PERSIST, std::move(handler));
}

void Loop::on_readable(int fd, std::function<void()> handler) {
	forget_fd(fd);
	impl_->fds[fd] =
	    std::make_unique<Watch>(impl_->base, fd, EV_READ | EV_PERSIST, std::move(handler));
}

void Loop::forget_fd(int fd) {
	Impl::move_out(impl_->fds, fd, impl_->forgotten);
}

void Loop::run(store::Store &store, std::function<core::Instant(core::Instant now)> step) {
	// The work is done by process() below; the handler only ends the wait.
	Watch store_watch(impl_->base, store.fd(), EV_READ | EV_PERSIST, [] {});
	impl_->stopped = false;
	while (!impl_->stopped) {
		impl_->forgotten.clear();
		impl_->woken = false;
		store.process();
		core::Instant next = step(store::now());
		if (impl_->stopped) {
			break;
		}
		// After the step: it may have sent requests, and they have deadlines.
		if (std::optional<core::Instant> deadline = store.deadline()) {
			next = std::min(next, *deadline);
		}
		impl_->arm_timer(next);
		// Woken: no wait, but the others get their turn.
		if (event_base_loop(impl_->base, EVLOOP_ONCE | (impl_->woken ? EVLOOP_NONBLOCK : 0)) < 0) {
			give_up("wait for events");
		}
	}
}

void Loop::wake() {
	impl_->woken = true;
}

void Loop::stop(int exit_code) {
	impl_->stopped = true;
	impl_->exit_code = exit_code;
}

event_base *Loop::base() {
	return impl_->base;
}

int Loop::exit_code() const {
	return impl_->exit_code;
}

}  // namespace stolon::program
