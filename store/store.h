// The consistent store, as small as it can be: get, txn, leases, watch. etcd stands behind it
// (store/etcd), and an in-memory fake with the same contract (store/fake). Asynchronous, one
// thread, one readable fd and one deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/base/wall_time.h"

namespace stolon::store {

using core::Duration;
using core::Error;
using core::ErrorKind;
using core::Instant;
using core::Result;
using core::Status;

/// CLOCK_BOOTTIME, by vDSO.
Instant now();
/// CLOCK_REALTIME: for what people have asked for, and what they read.
core::WallTime wall_now();

struct KeyValue {
	std::string key;
	std::string value;
	std::int64_t create_revision = 0;
	std::int64_t mod_revision = 0;
	std::int64_t version = 0;
	std::int64_t lease = 0;  ///< 0: none
};

/// One key, or [key, range_end). Always linearizable.
struct RangeRequest {
	std::string key;
	std::string range_end;   ///< empty: the single key
	std::int64_t limit = 0;  ///< 0: no limit
};

/// The end of the range of all keys that begin with `prefix`.
std::string prefix_end(std::string_view prefix);

struct RangeResponse {
	std::int64_t revision = 0;  ///< of the store, from the answer's header
	std::vector<KeyValue> kvs;
};

/// A condition of a transaction: the field of `key` equals `expected`. An absent key has 0 in all
/// of them.
struct Compare {
	enum class Field { ModRevision, CreateRevision, Version };
	Field field = Field::ModRevision;
	std::string key;
	std::int64_t expected = 0;
};

struct Op {
	enum class Kind { Put, Get, Delete };
	Kind kind = Kind::Get;
	std::string key;
	std::string range_end;   ///< Get and Delete only
	std::string value;       ///< Put only
	std::int64_t lease = 0;  ///< Put only

	static Op put(std::string key, std::string value, std::int64_t lease = 0);
	static Op get(std::string key, std::string range_end = {});
	static Op erase(std::string key, std::string range_end = {});
};

struct TxnRequest {
	std::vector<Compare> compares;  ///< all must hold (none: always succeeds)
	std::vector<Op> then_ops;
	std::vector<Op> else_ops;
};

struct TxnResponse {
	bool succeeded = false;
	std::int64_t revision =
	    0;  ///< of the store after the transaction; what was put has it as mod_revision
	std::vector<std::vector<KeyValue>> results;  ///< per op that ran: what a Get found, else empty
};

struct LeaseGrantResponse {
	std::int64_t id = 0;
	Duration ttl{0};  ///< as granted; may be longer than asked for
};

struct WatchEvent {
	bool deleted = false;
	KeyValue kv;  ///< deleted: key and mod_revision only
};

/// What a watch reports. Exactly one of the callbacks' families ends it: `failed` is final.
struct WatchHandler {
	std::function<void(std::int64_t revision)> created;  ///< the server has accepted the watch
	/// In the order of their revisions, all events of one revision together. `revision` is the
	/// newest of them: everything up to it has been reported.
	std::function<void(std::int64_t revision, std::vector<WatchEvent> events)> events;
	/// Compacted: read everything again. Unavailable: the stream broke; start again from the last
	/// revision + 1.
	std::function<void(Error error)> failed;
};

struct WatchRequest {
	std::string key;
	std::string range_end;
	std::int64_t start_revision = 0;  ///< first revision to report; 0 = from now on
};

using RequestId = std::uint64_t;

template <typename T>
using Callback = std::function<void(Result<T>)>;

/// One connection to the store. Callbacks are only ever called from process(), never from the call
/// that takes them; they may start and cancel requests. They must not throw. Destroying the store
/// drops all callbacks uncalled.
///
/// Every unary call ends within `timeout`, by its callback: reads fail over to other endpoints
/// within it; a write that was not sent may go to another endpoint; a write that was sent and not
/// answered ends with ErrorKind::Unknown. After a failure the next call begins at another endpoint.
/// An answer whose header.revision is older than one that had been seen on the same cluster id when
/// the request was sent counts as a failure of that endpoint (not of a keepalive, which any member
/// may answer from behind), until so many have answered like that for so long that the store must
/// have been restored: then revisions do go back. Watches on an endpoint that fails are failed too.
class Store {
public:
	virtual ~Store() = default;

	virtual RequestId range(RangeRequest request, Duration timeout,
	                        Callback<RangeResponse> done) = 0;
	virtual RequestId txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) = 0;
	/// `ttl` is rounded up to whole seconds.
	virtual RequestId lease_grant(Duration ttl, Duration timeout,
	                              Callback<LeaseGrantResponse> done) = 0;
	/// The remaining TTL after the renewal; NotFound when the lease is gone.
	virtual RequestId lease_keepalive(std::int64_t lease, Duration timeout,
	                                  Callback<Duration> done) = 0;
	virtual RequestId lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) = 0;
	/// Streams until it fails or is cancelled.
	virtual RequestId watch(WatchRequest request, WatchHandler handler) = 0;
	/// Drops a request or a watch; its callbacks are not called any more. Unknown ids are ignored.
	/// A cancelled write may still happen.
	virtual void cancel(RequestId id) = 0;

	/// Readable whenever process() has something to do because of I/O (an epoll fd).
	virtual int fd() const = 0;
	/// When process() must be called at the latest even if fd() stays silent; nullopt: no such
	/// time.
	virtual std::optional<Instant> deadline() const = 0;
	/// Does all work that can be done without waiting, and calls callbacks.
	virtual void process() = 0;

	/// The clock that deadline() is on: CLOCK_BOOTTIME, or the fake's. What a callback learns, it
	/// learned at this time.
	virtual Instant clock() const { return now(); }

	/// The endpoint that the next request goes to, for messages.
	virtual std::string current_endpoint() const = 0;
};

}  // namespace stolon::store
