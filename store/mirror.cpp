#include "store/mirror.h"

#include <algorithm>
#include <optional>

#include "store/mirror_copy.h"

namespace stolon::store {

namespace {

constexpr Duration first_retry = core::milliseconds(100);
constexpr Duration last_retry = core::seconds(1);

/// When to try again: after growing pauses, so that a store that is away is not hammered.
struct Retry {
	Instant at{};
	Duration pause = first_retry;

	void failed(Instant now) {
		at = now + pause;
		pause = std::min(pause * 2, last_retry);
	}
	void worked() {
		at = Instant{};
		pause = first_retry;
	}
};

}  // namespace

bool is_same(const MirrorEntry &a, const MirrorEntry &b) {
	return a.mod_revision == b.mod_revision && a.create_revision == b.create_revision &&
	       a.value == b.value;
}

struct Mirror::Impl {
	Impl(Store &store, MirrorOptions options)
	    : store(store),
	      options(std::move(options)),
	      copy(this->options.max_value_bytes, this->options.max_keys) {}

	struct Read {
		RequestId id = 0;
		Instant sent;
		std::int64_t revision_before = 0;  ///< The copy's, when it was sent.
	};

	Store &store;
	MirrorOptions options;
	MirrorCopy copy;
	bool ready = false;

	std::optional<Read> read, probe;
	bool refresh_wanted = true;
	bool refresh_again = false;  ///< Asked for while a read was under way, which is too old for it.
	Instant last_read_sent, last_request_sent;
	Retry read_retry;

	RequestId watch = 0;  ///< 0: none
	bool watch_created = false;
	Instant watch_sent;
	Retry watch_retry;
	std::int64_t watch_told = 0;  ///< Up to here the watch has told everything.
	/// What a read has seen that the watch has not told yet, and until when it must have.
	std::int64_t watch_owes = 0;
	Instant watch_owes_by = never;

	Instant contact_since = never;
	Instant heard_at;  ///< Up to here the store is known to have answered.
	Instant fresh_at;
	bool in_contact = false;
	std::string contact_problem = "the store has not answered yet";
	std::string watch_problem;
	std::string replaced_problem;

	void poll(Instant now);
	Instant wake_at() const;
	void send_read(Instant now);
	void send_probe(Instant now);
	void send_watch(Instant now);
	void read_done(Result<RangeResponse> result);
	void probe_done(Result<RangeResponse> result);
	void watch_event(std::int64_t revision, std::vector<WatchEvent> events);
	void watch_failed(const Error &error);
	void drop_watch();
	void answered(const Read &request, Instant now);
	void not_answered(const std::string &why);
	/// One request may be lost altogether: the next one still has the time to be answered.
	Duration silence_limit() const { return options.probe_interval + 2 * options.request_timeout; }
	Duration read_interval() const;
	Instant next_read_at() const;
	Instant next_probe_at() const;
};

// ---- Contact

/// A request that failed or came late says little: a store that is slow now and then would
/// otherwise put every election off for ever. Only silence ends contact.
void Mirror::Impl::not_answered(const std::string &why) {
	in_contact = false;
	contact_problem = why;
}

void Mirror::Impl::answered(const Read &request, Instant now) {
	if (now - heard_at >= silence_limit())
		contact_since = never;
	// Whoever slept over an answer knows only that the store was there in time for it.
	heard_at = std::max(heard_at, std::min(now, request.sent + options.request_timeout));
	if (now - request.sent > options.request_timeout) {
		not_answered("the store answered too late");
		refresh_wanted = true;
		read_retry.failed(now);
		return;
	}
	read_retry.worked();
	if (contact_since == never)
		contact_since = now;
	in_contact = true;
	contact_problem.clear();
}

// ---- Reads and probes

Duration Mirror::Impl::read_interval() const {
	// Without a watch the reads are all there is.
	if (watch == 0 || !watch_created)
		return std::min({options.resync_interval, options.probe_interval, last_retry});
	return options.resync_interval;
}

Instant Mirror::Impl::next_read_at() const {
	if (read)
		return never;
	const Instant due = refresh_wanted ? Instant{} : last_read_sent + read_interval();
	return std::max(due, read_retry.at);
}

Instant Mirror::Impl::next_probe_at() const {
	if (read || probe || !ready)
		return never;
	return std::max(last_request_sent + options.probe_interval, read_retry.at);
}

void Mirror::Impl::send_read(Instant now) {
	refresh_wanted = false;
	refresh_again = false;
	last_read_sent = last_request_sent = now;
	read = Read{0, now, copy.revision()};
	RangeRequest request;
	request.key = options.prefix;
	request.range_end = prefix_end(options.prefix);
	// One more than is taken, to know that there are more.
	request.limit = static_cast<std::int64_t>(options.max_keys) + 1;
	read->id = store.range(std::move(request), options.request_timeout,
	                       [this](Result<RangeResponse> result) { read_done(std::move(result)); });
}

void Mirror::Impl::send_probe(Instant now) {
	last_request_sent = now;
	probe = Read{0, now, copy.revision()};
	RangeRequest request;
	request.key = options.prefix;
	request.limit = 1;
	probe->id =
	    store.range(std::move(request), options.request_timeout,
	                [this](Result<RangeResponse> result) { probe_done(std::move(result)); });
}

void Mirror::Impl::read_done(Result<RangeResponse> result) {
	const Instant now = store.clock();
	const Read request = *read;
	read.reset();
	refresh_wanted = refresh_again;
	refresh_again = false;
	if (!result.ok()) {
		refresh_wanted = true;
		read_retry.failed(now);
		not_answered(result.error().message);
		return;
	}
	answered(request, now);
	if (watch_retry.at == never)
		watch_retry.worked();
	// Older than what the watch has told since: nothing to learn from it. But older than what was
	// known when it was sent means that the store has been restored or replaced.
	const bool replaced = result->revision < request.revision_before;
	replaced_problem.clear();
	if (replaced) {
		replaced_problem = "the store went back from revision " +
		                   std::to_string(request.revision_before) + " to " +
		                   std::to_string(result->revision) +
		                   ": it has been restored or built anew, and what it holds now counts";
	}
	if (replaced || result->revision >= copy.revision()) {
		const std::int64_t newest = copy.replace(std::move(*result), now);
		if (!ready)
			copy.count_change();
		ready = true;
		if (replaced) {
			drop_watch();
		} else if (watch != 0 && newest > watch_told) {
			watch_owes = newest;
			watch_owes_by = now + options.request_timeout;
		}
	}
	fresh_at = request.sent;
}

void Mirror::Impl::probe_done(Result<RangeResponse> result) {
	const Instant now = store.clock();
	const Read request = *probe;
	probe.reset();
	if (!result.ok()) {
		read_retry.failed(now);
		refresh_wanted = true;
		not_answered(result.error().message);
		return;
	}
	answered(request, now);
	if (result->revision < request.revision_before)
		refresh_wanted = true;
	else if (result->revision <= copy.revision())
		fresh_at = std::max(fresh_at, request.sent);
}

// ---- The watch

void Mirror::Impl::send_watch(Instant now) {
	watch_created = false;
	watch_sent = now;
	watch_owes = 0;
	watch_owes_by = never;
	WatchRequest request;
	request.key = options.prefix;
	request.range_end = prefix_end(options.prefix);
	request.start_revision = copy.revision() + 1;
	watch_told = copy.revision();
	WatchHandler handler;
	handler.created = [this](std::int64_t) {
		watch_created = true;
		watch_retry.worked();
		watch_problem.clear();
	};
	handler.events = [this](std::int64_t revision, std::vector<WatchEvent> events) {
		watch_event(revision, std::move(events));
	};
	handler.failed = [this](const Error &error) { watch_failed(error); };
	watch = store.watch(std::move(request), std::move(handler));
}

void Mirror::Impl::watch_event(std::int64_t revision, std::vector<WatchEvent> events) {
	copy.apply(std::move(events), store.clock());
	watch_told = std::max(watch_told, revision);
	if (watch_told >= watch_owes) {
		watch_owes = 0;
		watch_owes_by = never;
	}
}

void Mirror::Impl::watch_failed(const Error &error) {
	watch = 0;
	watch_created = false;
	watch_problem = error.message;
	// Whatever was the reason, a read tells more: how things are, and whether there is contact.
	refresh_wanted = true;
	if (error.kind == ErrorKind::Compacted)
		watch_retry.at = never;  // until the read has come
	else
		watch_retry.failed(store.clock());
}

void Mirror::Impl::drop_watch() {
	store.cancel(watch);
	watch = 0;
	watch_created = false;
}

// ---- What is due

void Mirror::Impl::poll(Instant now) {
	for (const auto *request : {&read, &probe}) {
		if (in_contact && *request && now - (*request)->sent >= options.request_timeout)
			not_answered("the store's answer is overdue");
	}
	if (contact_since != never && now - heard_at >= silence_limit()) {
		contact_since = never;
		if (in_contact)
			not_answered("the store has been silent for too long");
	}

	if (watch != 0 && now >= watch_owes_by) {
		drop_watch();
		watch_problem = "the watch did not tell what a read has seen";
	}
	if (watch != 0 && !watch_created && now - watch_sent >= options.request_timeout) {
		drop_watch();
		watch_problem = "the store did not accept the watch in time";
		watch_retry.failed(now);
	}

	if (now >= next_read_at())
		send_read(now);
	else if (now >= next_probe_at())
		send_probe(now);
	if (ready && watch == 0 && now >= watch_retry.at)
		send_watch(now);
}

Instant Mirror::Impl::wake_at() const {
	Instant first = std::min(next_read_at(), next_probe_at());
	if (ready && watch == 0)
		first = std::min(first, watch_retry.at);
	if (watch != 0) {
		first = std::min(first, watch_owes_by);
		if (!watch_created)
			first = std::min(first, watch_sent + options.request_timeout);
	}
	if (contact_since != never)
		first = std::min(first, heard_at + silence_limit());
	if (in_contact) {
		for (const auto *request : {&read, &probe}) {
			if (*request)
				first = std::min(first, (*request)->sent + options.request_timeout);
		}
	}
	return first;
}

// ---- The class itself

Mirror::Mirror(Store &store, MirrorOptions options)
    : impl_(std::make_unique<Impl>(store, std::move(options))) {}

Mirror::~Mirror() {
	if (impl_->read)
		impl_->store.cancel(impl_->read->id);
	if (impl_->probe)
		impl_->store.cancel(impl_->probe->id);
	impl_->store.cancel(impl_->watch);
}

void Mirror::poll(Instant now) {
	impl_->poll(now);
}

Instant Mirror::wake_at() const {
	return impl_->wake_at();
}

bool Mirror::ready() const {
	return impl_->ready;
}

std::uint64_t Mirror::changes() const {
	return impl_->copy.changes();
}

const std::map<std::string, MirrorEntry> &Mirror::entries() const {
	return impl_->copy.entries();
}

const MirrorEntry *Mirror::find(const std::string &key) const {
	const auto found = entries().find(key);
	return found == entries().end() ? nullptr : &found->second;
}

std::pair<std::map<std::string, MirrorEntry>::const_iterator,
          std::map<std::string, MirrorEntry>::const_iterator>
Mirror::with_prefix(const std::string &prefix) const {
	const auto begin = entries().lower_bound(prefix);
	auto end = begin;
	while (end != entries().end() && end->first.starts_with(prefix))
		++end;
	return {begin, end};
}

std::int64_t Mirror::revision() const {
	return impl_->copy.revision();
}

Instant Mirror::contact_since() const {
	return impl_->contact_since;
}

Instant Mirror::fresh_at() const {
	return impl_->fresh_at;
}

bool Mirror::in_contact() const {
	return impl_->in_contact;
}

std::string Mirror::problem() const {
	std::string text = impl_->contact_problem;
	for (const std::string &more :
	     {impl_->watch_problem, impl_->replaced_problem, impl_->copy.problem()}) {
		if (!more.empty() && more != impl_->contact_problem)
			text += (text.empty() ? "" : "; ") + more;
	}
	return text;
}

void Mirror::refresh() {
	if (impl_->read)
		impl_->refresh_again = true;
	else
		impl_->refresh_wanted = true;
}

void Mirror::set_intervals(Duration request_timeout, Duration resync_interval,
                           Duration probe_interval) {
	impl_->options.request_timeout = request_timeout;
	impl_->options.resync_interval = resync_interval;
	impl_->options.probe_interval = probe_interval;
}

}  // namespace stolon::store
