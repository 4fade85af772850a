#include "store/presence.h"

#include <algorithm>
#include <map>
#include <optional>

namespace stolon::store {

namespace {

constexpr Duration first_retry = core::milliseconds(100);
constexpr Duration last_retry = core::seconds(2);
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
	bool closing = false;

	Instant retry_at;
	Duration pause = first_retry;

	void poll(Instant now);
	Instant wake_at() const;
	void send_grant(Instant now);
	void send_keepalive(Instant now);
	void send_put(const std::string &key, const Entry &entry);
	void put_done(const Result<TxnResponse> &result);
	void send_revoke();
	void lost_lease();
	void failed();
	void worked();
	const std::string *next_key() const;
};

void Presence::Impl::failed() {
	retry_at = store.clock() + pause;
	pause = std::min(pause * 2, last_retry);
}

void Presence::Impl::worked() {
	retry_at = Instant{};
	pause = first_retry;
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
			                          failed();
			                          return;
		                          }
		                          worked();
		                          lease = result->id;
		                          granted_ttl = result->ttl;
		                          keepalive_at = sent + granted_ttl / 3;
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
			                                  worked();
			                                  lease_until = sent + *result;
			                                  return;
		                                  }
		                                  if (result.error().kind == ErrorKind::NotFound) {
			                                  lost_lease();
			                                  return;
		                                  }
		                                  failed();
		                                  keepalive_at = std::min(keepalive_at, retry_at);
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
			failed();
		return;
	}
	worked();
	if (result->succeeded) {
		entry.revision = result->revision;
		entry.stored = sent.value;
		entry.lease = sent.lease;
		return;
	}
	// The key is not what it was thought to be: a put whose answer was lost, or what an earlier
	// process left behind. The next put is guarded by what it is now.
	entry.lease = 0;
	entry.revision = 0;
	if (!result->results.empty() && !result->results[0].empty()) {
		const KeyValue &kv = result->results[0][0];
		entry.revision = kv.mod_revision;
		entry.stored = kv.value;
		entry.lease = kv.lease;
	}
}

void Presence::Impl::send_revoke() {
	revoke = store.lease_revoke(lease, request_timeout, [this](const Result<bool> &) {
		revoke = 0;
		lease = 0;
	});
}

void Presence::Impl::poll(Instant now) {
	if (closing || now < retry_at)
		return;
	if (lease != 0 && now >= lease_until) {
		// Perhaps it lives on, since nobody answered; a new one is certain.
		lost_lease();
	}
	if (lease == 0) {
		if (grant == 0)
			send_grant(now);
		return;
	}
	if (keepalive == 0 && now >= keepalive_at)
		send_keepalive(now);
	if (put)
		return;
	if (const std::string *key = next_key())
		send_put(*key, entries.at(*key));
}

Instant Presence::Impl::wake_at() const {
	if (closing)
		return never;
	if (lease == 0)
		return grant != 0 ? never : retry_at;
	Instant first = lease_until;
	if (keepalive == 0)
		first = std::min(first, keepalive_at);
	if (!put && next_key() != nullptr)
		first = Instant{};
	return std::max(first, retry_at);
}

Presence::Presence(Store &store, Duration ttl, Duration request_timeout)
    : impl_(std::make_unique<Impl>(store, ttl, request_timeout)) {}

Presence::~Presence() {
	for (const RequestId id : {impl_->grant, impl_->keepalive, impl_->revoke})
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
	return impl_->grant == 0 && impl_->keepalive == 0 && !impl_->put;
}

void Presence::set_times(Duration ttl, Duration request_timeout) {
	impl_->ttl = ttl;
	impl_->request_timeout = request_timeout;
}

}  // namespace stolon::store
