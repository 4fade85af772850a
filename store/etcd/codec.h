// The JSON that etcd's gateway speaks: keys and values in base64, 64-bit numbers as strings, fields
// that are zero or false left out.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"
#include "store/store.h"

namespace stolon::store::etcd {

std::string encode_range(const RangeRequest &request);
std::string encode_txn(const TxnRequest &request);
std::string encode_lease_grant(std::int64_t ttl_seconds);
/// Of a keepalive and of a revoke.
std::string encode_lease_id(std::int64_t lease);
std::string encode_watch(const WatchRequest &request);
std::string encode_authenticate(const std::string &user, const std::string &password);

/// What every answer says about the one who gave it. 0 and "" when it is not there.
struct Header {
	std::string cluster_id;
	std::int64_t revision = 0;
};
Header decode_header(const core::Json &answer);

/// All of these fail with Invalid when the answer is not what etcd's API describes.
Result<RangeResponse> decode_range(const core::Json &answer);
Result<TxnResponse> decode_txn(const core::Json &answer);
Result<LeaseGrantResponse> decode_lease_grant(const core::Json &answer);
/// NotFound when the lease is gone: etcd then answers with a TTL of 0.
Result<Duration> decode_lease_keepalive(const core::Json &answer);
Result<std::string> decode_authenticate(const core::Json &answer);

/// One message of a watch stream, the inside of {"result": ...}.
struct WatchMessage {
	Header header;
	bool created = false;
	bool canceled = false;
	std::int64_t compact_revision = 0;
	std::string cancel_reason;
	std::vector<WatchEvent> events;
};
Result<WatchMessage> decode_watch(const core::Json &result);

/// What an answer that is an error means for the request.
struct Refusal {
	enum class Kind {
		Final,     ///< `error` is the outcome: etcd has looked at the request and refused it.
		Token,     ///< The authentication token is no longer good; a new one may help.
		Endpoint,  ///< This member cannot serve now. A write may have been done all the same.
	};
	Kind kind = Kind::Endpoint;
	Error error;
};

/// Whether `answer` (of HTTP status `status`) is an error, in either of the two shapes that the
/// gateway uses: {"error":"text","code":5} for unary calls and {"error":{"message":...,
/// "grpc_code":5}} inside a stream. Nothing when it is a result.
std::optional<Refusal> decode_refusal(long status, const core::Json &answer);
/// The same from etcd's text alone, as it stands in a watch's cancel_reason.
Refusal classify_refusal(std::int64_t grpc_code, const std::string &text);

}  // namespace stolon::store::etcd
