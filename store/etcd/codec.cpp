#include "store/etcd/codec.h"

#include <charconv>

#include "core/base/base64.h"

namespace stolon::store::etcd {

namespace {

using core::Json;

/// More than any answer of ours holds; bounds the work on a hostile answer.
constexpr std::size_t max_items = 100'000;

Json bytes(std::string_view text) {
	return Json::string(core::base64_encode(text));
}

/// 64-bit numbers travel as strings: a JSON number may be read as a double on the way.
Json number(std::int64_t value) {
	return Json::string(std::to_string(value));
}

Result<std::int64_t> read_number(const Json &object, std::string_view key) {
	const Json field = object.get(key);
	if (field.is_missing() || field.is_null())
		return std::int64_t{0};
	if (field.is_integer())
		return field.as_integer();
	const std::string text = field.as_string();
	std::int64_t value = 0;
	const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
	if (problem != std::errc{} || end != text.data() + text.size() || text.empty())
		return core::invalid("etcd answered with a bad number in \"" + std::string(key) + "\"");
	return value;
}

Result<std::string> read_bytes(const Json &object, std::string_view key) {
	const Json field = object.get(key);
	if (field.is_missing() || field.is_null())
		return std::string();
	if (!field.is_string())
		return core::invalid("etcd answered with no text in \"" + std::string(key) + "\"");
	return core::base64_decode(field.as_string());
}

Result<KeyValue> decode_key_value(const Json &json) {
	KeyValue kv;
	auto key = read_bytes(json, "key");
	auto value = read_bytes(json, "value");
	if (!key.ok() || !value.ok())
		return !key.ok() ? key.error() : value.error();
	kv.key = std::move(key).value();
	kv.value = std::move(value).value();

	const std::pair<const char *, std::int64_t *> numbers[] = {
	    {"create_revision", &kv.create_revision},
	    {"mod_revision", &kv.mod_revision},
	    {"version", &kv.version},
	    {"lease", &kv.lease},
	};
	for (const auto &[name, target] : numbers) {
		auto number = read_number(json, name);
		if (!number.ok())
			return number.error();
		*target = *number;
	}
	return kv;
}

Result<std::vector<KeyValue>> decode_key_values(const Json &parent) {
	std::vector<KeyValue> kvs;
	const Json array = parent.get("kvs");
	if (array.size() > max_items)
		return core::invalid("etcd answered with too many keys");
	kvs.reserve(array.size());
	for (std::size_t i = 0; i < array.size(); i++) {
		auto kv = decode_key_value(array.at(i));
		if (!kv.ok())
			return kv.error();
		kvs.push_back(std::move(kv).value());
	}
	return kvs;
}

Json encode_compare(const Compare &compare) {
	Json json = Json::object();
	json.set("result", Json::string("EQUAL"));
	json.set("key", bytes(compare.key));
	switch (compare.field) {
		case Compare::Field::ModRevision:
			json.set("target", Json::string("MOD"));
			json.set("mod_revision", number(compare.expected));
			break;
		case Compare::Field::CreateRevision:
			json.set("target", Json::string("CREATE"));
			json.set("create_revision", number(compare.expected));
			break;
		case Compare::Field::Version:
			json.set("target", Json::string("VERSION"));
			json.set("version", number(compare.expected));
			break;
	}
	return json;
}

Json encode_op(const Op &op) {
	Json inner = Json::object();
	inner.set("key", bytes(op.key));
	Json outer = Json::object();
	if (op.kind == Op::Kind::Put) {
		inner.set("value", bytes(op.value));
		if (op.lease != 0)
			inner.set("lease", number(op.lease));
		outer.set("request_put", std::move(inner));
		return outer;
	}
	if (!op.range_end.empty())
		inner.set("range_end", bytes(op.range_end));
	outer.set(op.kind == Op::Kind::Get ? "request_range" : "request_delete_range",
	          std::move(inner));
	return outer;
}

Json encode_ops(const std::vector<Op> &ops) {
	Json array = Json::array();
	for (const Op &op : ops)
		array.push(encode_op(op));
	return array;
}

}  // namespace

std::string encode_range(const RangeRequest &request) {
	Json json = Json::object();
	json.set("key", bytes(request.key));
	if (!request.range_end.empty())
		json.set("range_end", bytes(request.range_end));
	if (request.limit > 0)
		json.set("limit", number(request.limit));
	// "serializable" stays out: every read is linearizable.
	return json.dump();
}

std::string encode_txn(const TxnRequest &request) {
	Json json = Json::object();
	Json compares = Json::array();
	for (const Compare &compare : request.compares)
		compares.push(encode_compare(compare));
	json.set("compare", std::move(compares));
	json.set("success", encode_ops(request.then_ops));
	json.set("failure", encode_ops(request.else_ops));
	return json.dump();
}

std::string encode_lease_grant(std::int64_t ttl_seconds) {
	Json json = Json::object();
	json.set("TTL", number(ttl_seconds));
	return json.dump();
}

std::string encode_lease_id(std::int64_t lease) {
	Json json = Json::object();
	json.set("ID", number(lease));
	return json.dump();
}

std::string encode_watch(const WatchRequest &request) {
	Json create = Json::object();
	create.set("key", bytes(request.key));
	if (!request.range_end.empty())
		create.set("range_end", bytes(request.range_end));
	if (request.start_revision > 0)
		create.set("start_revision", number(request.start_revision));
	Json json = Json::object();
	json.set("create_request", std::move(create));
	return json.dump();
}

std::string encode_authenticate(const std::string &user, const std::string &password) {
	Json json = Json::object();
	json.set("name", Json::string(user));
	json.set("password", Json::string(password));
	return json.dump();
}

Header decode_header(const Json &answer) {
	const Json json = answer.get("header");
	Header header;
	header.cluster_id = json.get("cluster_id").as_string();
	const auto revision = read_number(json, "revision");
	header.revision = revision.ok() ? *revision : 0;
	return header;
}

Result<RangeResponse> decode_range(const Json &answer) {
	RangeResponse response;
	response.revision = decode_header(answer).revision;
	if (response.revision <= 0)
		return core::invalid("etcd answered a read without a revision");
	auto kvs = decode_key_values(answer);
	if (!kvs.ok())
		return kvs.error();
	response.kvs = std::move(kvs).value();
	return response;
}

Result<TxnResponse> decode_txn(const Json &answer) {
	TxnResponse response;
	response.revision = decode_header(answer).revision;
	if (response.revision <= 0)
		return core::invalid("etcd answered a transaction without a revision");
	response.succeeded = answer.get("succeeded").as_boolean();
	const Json results = answer.get("responses");
	if (results.size() > max_items)
		return core::invalid("etcd answered a transaction with too many results");
	for (std::size_t i = 0; i < results.size(); i++) {
		auto kvs = decode_key_values(results.at(i).get("response_range"));
		if (!kvs.ok())
			return kvs.error();
		response.results.push_back(std::move(kvs).value());
	}
	return response;
}

Result<LeaseGrantResponse> decode_lease_grant(const Json &answer) {
	const auto id = read_number(answer, "ID");
	const auto ttl = read_number(answer, "TTL");
	if (!id.ok() || !ttl.ok())
		return !id.ok() ? id.error() : ttl.error();
	if (*id == 0 || *ttl <= 0)
		return core::invalid("etcd granted a lease without an id or a TTL");
	return LeaseGrantResponse{*id, core::seconds(*ttl)};
}

Result<Duration> decode_lease_keepalive(const Json &answer) {
	const auto ttl = read_number(answer.get("result"), "TTL");
	if (!ttl.ok())
		return ttl.error();
	if (*ttl <= 0)
		return Error{ErrorKind::NotFound, "the lease is gone"};
	return Duration(core::seconds(*ttl));
}

Result<std::string> decode_authenticate(const Json &answer) {
	std::string token = answer.get("token").as_string();
	// It becomes a header line, so nothing may be in it that ends one.
	if (token.empty() || token.find_first_of("\r\n") != std::string::npos)
		return core::invalid("etcd answered an authentication without a token");
	return token;
}

Result<WatchMessage> decode_watch(const Json &result) {
	WatchMessage message;
	message.header = decode_header(result);
	message.created = result.get("created").as_boolean();
	message.canceled = result.get("canceled").as_boolean();
	message.cancel_reason = result.get("cancel_reason").as_string();
	const auto compacted = read_number(result, "compact_revision");
	if (!compacted.ok())
		return compacted.error();
	message.compact_revision = *compacted;

	const Json events = result.get("events");
	if (events.size() > max_items)
		return core::invalid("etcd reported too many events at once");
	for (std::size_t i = 0; i < events.size(); i++) {
		const Json json = events.at(i);
		WatchEvent event;
		event.deleted = json.get("type").as_string() == "DELETE";
		auto kv = decode_key_value(json.get("kv"));
		if (!kv.ok())
			return kv.error();
		event.kv = std::move(kv).value();
		message.events.push_back(std::move(event));
	}
	return message;
}

}  // namespace stolon::store::etcd
