#include "store/presence.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace stolon::store {

namespace {

constexpr Duration first_retry = core::milliseconds(100);
constexpr Duration last_retry = core::seconds(2);
/// Well below what etcd takes in one transaction (--max-txn-ops is 128 by default).
constexpr std::size_t max_looked_at = 64;
constexpr Instant never{Duration::max()};

/// A key to publish. Every put is guarded by the revision that the key is known to have, so that a
/// put whose answer was lost cannot come in late and undo a newer one.
struct Entry {
	std::string wanted;
	std::int64_t revision = 0;  ///< As far as is known.
	std::string stored;         ///< What was last put, under `lease`.
	std::int64_t lease = 0;     ///< 0: nothing is known to be stored.

	bool published(std::int64_t current_lease) const {
		return lease != 0 && lease == current_lease && stored == wanted;
	}
	void is(const KeyValue &kv) {
		revision = kv.mod_revision;
		stored = kv.value;
		lease = kv.lease;
	}
	void is_unknown() { revision = lease = 0; }
};

/// When to try again. Everything that can fail has its own, so that a put that is refused does not
/// keep the lease from being kept alive.
struct Retry {
	Instant at;
	Duration pause = first_retry;

	void failed(Instant now, Duration longest) {
		pause = std::min(pause, longest);
		at = now + pause;
		pause *= 2;
	}
	void worked() { *this = Retry{}; }
};

}  // namespace

struct Presence::Impl {
	Impl(Store &store, Duration ttl, Duration request_timeout)
	    : store(store), ttl(ttl), request_timeout(request_timeout) {}

	/// What is being put, as it was when it was sent.
	struct Put {
		RequestId id = 0;
		std::string key;
		std::string value;
		std::int64_t lease = 0;
	};

	Store &store;
	Duration ttl, request_timeout;
	std::map<std::string, Entry> entries;

	std::int64_t lease = 0;
	Duration granted_ttl{0};
	Instant keepalive_at;
	/// When the lease has run out if no keepalive is answered any more.
	Instant lease_until;
	RequestId grant = 0, keepalive = 0, revoke = 0;
	std::optional<Put> put;
	/// The look whether the keys are still there (somebody may have deleted them), and the revision
	/// that each was known to have when it was sent.
	RequestId look = 0;
	std::vector<std::pair<std::string, std::int64_t>> looked_at;
	Instant look_at;
	bool closing = false;
	Retry lease_retry, put_retry, look_retry;

	void poll(Instant now);
	Instant wake_at() const;
	void send_grant(Instant now);
	void send_keepalive(Instant now);
	void send_put(const std::string &key, const Entry &entry);
	void put_done(const Result<TxnResponse> &result);
	void send_look(Instant now);
	void look_done(const Result<TxnResponse> &result);
	void send_revoke();
	void lost_lease();
	void failed(Retry &retry);
	const std::string *next_key() const;
};

void Presence::Impl::failed(Retry &retry) {
	// So that several tries fit between a keepalive that failed and the end of the lease.
	retry.failed(store.clock(), std::clamp<Duration>(ttl / 6, first_retry, last_retry));
}

void Presence::Impl::lost_lease() {
	lease = 0;
	if (keepalive != 0)
		store.cancel(std::exchange(keepalive, 0));
}

void Presence::Impl::send_grant(Instant now) {
	grant = store.lease_grant(ttl, request_timeout,
	                          [this, sent = now](Result<LeaseGrantResponse> result) {
		                          grant = 0;
		                          if (!result.ok()) {
			                          // A lease that was granted without our knowing runs out by
			                          // itself.
			                          failed(lease_retry);
			                          return;
		                          }
		                          lease_retry.worked();
		                          lease = result->id;
		                          granted_ttl = result->ttl;
		                          keepalive_at = sent + granted_ttl / 3;
		                          look_at = sent + granted_ttl * 2 / 3;
		                          lease_until = sent + granted_ttl;
		                          if (closing)
			                          send_revoke();
	                          });
}

void Presence::Impl::send_keepalive(Instant now) {
	keepalive_at = now + granted_ttl / 3;
	keepalive = store.lease_keepalive(lease, request_timeout,
	                                  [this, sent = now](const Result<Duration> &result) {
		                                  keepalive = 0;
		                                  if (result.ok()) {
			                                  lease_retry.worked();
			                                  lease_until = sent + *result;
			                                  return;
		                                  }
		                                  if (result.error().kind == ErrorKind::NotFound) {
			                                  lost_lease();
			                                  return;
		                                  }
		                                  failed(lease_retry);
		                                  keepalive_at = std::min(keepalive_at, lease_retry.at);
	                                  });
}

const std::string *Presence::Impl::next_key() const {
	for (const auto &[key, entry] : entries) {
		if (!entry.published(lease))
			return &key;
	}
	return nullptr;
}

void Presence::Impl::send_put(const std::string &key, const Entry &entry) {
	TxnRequest request;
	request.compares.push_back({Compare::Field::ModRevision, key, entry.revision});
	request.then_ops.push_back(Op::put(key, entry.wanted, lease));
	request.else_ops.push_back(Op::get(key));
	put = Put{0, key, entry.wanted, lease};
	put->id = store.txn(std::move(request), request_timeout,
	                    [this](const Result<TxnResponse> &result) { put_done(result); });
}

void Presence::Impl::put_done(const Result<TxnResponse> &result) {
	const Put sent = std::move(*put);
	put.reset();
	Entry &entry = entries[sent.key];
	if (!result.ok()) {
		if (result.error().kind == ErrorKind::NotFound && sent.lease == lease)
			lost_lease();
		else
			failed(put_retry);
		return;
	}
	put_retry.worked();
	if (result->succeeded) {
		entry.revision = result->revision;
		entry.stored = sent.value;
		entry.lease = sent.lease;
		return;
	}
	// The key is not what it was thought to be: a put whose answer was lost, or what an earlier
	// process left behind. The next put is guarded by what it is now.
	entry.is_unknown();
	if (!result->results.empty() && !result->results[0].empty())
		entry.is(result->results[0][0]);
}

void Presence::Impl::send_look(Instant now) {
	// Sooner than a lease lasts, so that whoever waits that long for a sign of life gets one.
	look_at = now + granted_ttl * 2 / 3;
	looked_at.clear();
	TxnRequest request;
	for (const auto &[key, entry] : entries) {
		if (!entry.published(lease) || looked_at.size() == max_looked_at)
			continue;
		looked_at.emplace_back(key, entry.revision);
		request.then_ops.push_back(Op::get(key));
	}
	if (looked_at.empty())
		return;
	look = store.txn(std::move(request), request_timeout,
	                 [this](const Result<TxnResponse> &result) { look_done(result); });
}

void Presence::Impl::look_done(const Result<TxnResponse> &result) {
	look = 0;
	if (!result.ok()) {
		failed(look_retry);
		look_at = std::min(look_at, look_retry.at);
		return;
	}
	look_retry.worked();
	for (std::size_t i = 0; i < looked_at.size() && i < result->results.size(); i++) {
		const auto &[key, revision] = looked_at[i];
		Entry &entry = entries[key];
		// Put in the meantime: the answer may be from before.
		if (entry.revision != revision)
			continue;
		const auto &found = result->results[i];
		// Another process under the same name is not fought with.
		const bool other = !found.empty() && found[0].lease != 0 && found[0].lease != lease;
		if (found.empty())
			entry.is_unknown();
		else if (!other)
			entry.is(found[0]);
	}
}

void Presence::Impl::send_revoke() {
	revoke = store.lease_revoke(lease, request_timeout, [this](const Result<bool> &) {
		revoke = 0;
		lease = 0;
	});
}

void Presence::Impl::poll(Instant now) {
	if (closing)
		return;
	if (lease != 0 && now >= lease_until) {
		// Perhaps it lives on, since nobody answered; a new one is certain.
		lost_lease();
	}
	if (lease == 0) {
		if (grant == 0 && now >= lease_retry.at)
			send_grant(now);
		return;
	}
	if (keepalive == 0 && now >= keepalive_at)
		send_keepalive(now);
	if (look == 0 && now >= look_at)
		send_look(now);
	if (put || now < put_retry.at)
		return;
	if (const std::string *key = next_key())
		send_put(*key, entries.at(*key));
}

Instant Presence::Impl::wake_at() const {
	if (closing)
		return never;
	if (lease == 0)
		return grant != 0 ? never : lease_retry.at;
	Instant first = lease_until;
	if (keepalive == 0)
		first = std::min(first, keepalive_at);
	if (look == 0)
		first = std::min(first, look_at);
	if (!put && next_key() != nullptr)
		first = std::min(first, put_retry.at);
	return first;
}

Presence::Presence(Store &store, Duration ttl, Duration request_timeout)
    : impl_(std::make_unique<Impl>(store, ttl, request_timeout)) {}

Presence::~Presence() {
	for (const RequestId id : {impl_->grant, impl_->keepalive, impl_->look, impl_->revoke})
		impl_->store.cancel(id);
	if (impl_->put)
		impl_->store.cancel(impl_->put->id);
}

void Presence::set(const std::string &key, std::string value) {
	impl_->entries[key].wanted = std::move(value);
}

void Presence::poll(Instant now) {
	impl_->poll(now);
}

Instant Presence::wake_at() const {
	return impl_->wake_at();
}

std::int64_t Presence::lease() const {
	return impl_->lease;
}

bool Presence::published() const {
	return impl_->lease != 0 && !impl_->closing && impl_->next_key() == nullptr;
}

void Presence::close() {
	if (impl_->closing)
		return;
	impl_->closing = true;
	if (impl_->keepalive != 0)
		impl_->store.cancel(std::exchange(impl_->keepalive, 0));
	if (impl_->look != 0)
		impl_->store.cancel(std::exchange(impl_->look, 0));
	if (impl_->put) {
		impl_->store.cancel(impl_->put->id);
		impl_->put.reset();
	}
	if (impl_->lease != 0)
		impl_->send_revoke();
}

bool Presence::idle() const {
	if (impl_->closing)
		return impl_->grant == 0 && impl_->revoke == 0;
	return impl_->grant == 0 && impl_->keepalive == 0 && impl_->look == 0 && !impl_->put;
}

void Presence::set_times(Duration ttl, Duration request_timeout) {
	impl_->ttl = ttl;
	impl_->request_timeout = request_timeout;
}

}  // namespace stolon::store
