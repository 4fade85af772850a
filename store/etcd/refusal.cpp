// What etcd's errors mean: codec.h, decode_refusal. Texts and codes are those of etcd's
// api/v3rpc/rpctypes/error.go; codes are gRPC's.
#include <string_view>

#include "store/etcd/codec.h"

namespace stolon::store::etcd {

namespace {

enum GrpcCode : std::int64_t {
	InvalidArgument = 3,
	NotFound = 5,
	PermissionDenied = 7,
	FailedPrecondition = 9,
	OutOfRange = 11,
	Unauthenticated = 16,
};

bool contains(const std::string &text, std::string_view part) {
	return text.find(part) != std::string::npos;
}

constexpr std::string_view token_texts[] = {
    "invalid auth token",
    "revision of auth store is old",
};

constexpr std::string_view denied_texts[] = {
    "permission denied",  "PermissionDenied",    "authentication failed",
    "user name is empty", "user name not found",
};

Refusal final_refusal(ErrorKind kind, const std::string &text) {
	return Refusal{Refusal::Kind::Final, Error{kind, text}};
}

}  // namespace

Refusal classify_refusal(std::int64_t grpc_code, const std::string &text) {
	for (const auto part : token_texts) {
		if (contains(text, part))
			return Refusal{Refusal::Kind::Token, Error{ErrorKind::Denied, text}};
	}
	for (const auto part : denied_texts) {
		if (contains(text, part))
			return final_refusal(ErrorKind::Denied, text);
	}
	if (contains(text, "required revision has been compacted"))
		return final_refusal(ErrorKind::Compacted, text);
	if (contains(text, "requested lease not found"))
		return final_refusal(ErrorKind::NotFound, text);

	switch (grpc_code) {
		case InvalidArgument:
		case FailedPrecondition:
		case OutOfRange:
			return final_refusal(ErrorKind::Invalid, text);
		case NotFound:
			return final_refusal(ErrorKind::NotFound, text);
		case PermissionDenied:
		case Unauthenticated:
			return final_refusal(ErrorKind::Denied, text);
		default:
			// No leader, leader changed, timed out, too many requests, stopping: this member now.
			return Refusal{Refusal::Kind::Endpoint, Error{ErrorKind::Unavailable, text}};
	}
}

std::optional<Refusal> decode_refusal(long status, const core::Json &answer) {
	const core::Json error = answer.get("error");
	if (error.is_object()) {
		const core::Json code = error.get("grpc_code");
		return classify_refusal(code.as_integer(), error.get("message").as_string());
	}
	if (error.is_string())
		return classify_refusal(answer.get("code").as_integer(), error.as_string());
	if (status != 200) {
		return Refusal{Refusal::Kind::Endpoint,
		               Error{ErrorKind::Unavailable, "HTTP status " + std::to_string(status)}};
	}
	return std::nullopt;
}

}  // namespace stolon::store::etcd
