#include "store/mirror_copy.h"

#include <algorithm>

namespace stolon::store {

namespace {

constexpr std::size_t max_named = 3;

}  // namespace

bool MirrorCopy::take(KeyValue kv, Instant now) {
	if (kv.value.size() > max_value_bytes_) {
		if (oversized_.size() < max_keys_)
			oversized_.insert(kv.key);
		return false;
	}
	oversized_.erase(kv.key);
	const auto found = entries_.find(kv.key);
	if (found == entries_.end() && entries_.size() >= max_keys_) {
		too_many_ = true;
		return false;
	}
	if (found != entries_.end() && found->second.mod_revision == kv.mod_revision &&
	    found->second.create_revision == kv.create_revision && found->second.value == kv.value)
		return false;
	entries_[std::move(kv.key)] =
	    MirrorEntry{std::move(kv.value), kv.mod_revision, kv.create_revision, now};
	changes_++;
	return true;
}

std::int64_t MirrorCopy::replace(RangeResponse response, Instant now) {
	std::set<std::string> present;
	for (const KeyValue &kv : response.kvs)
		present.insert(kv.key);
	const std::size_t gone =
	    std::erase_if(entries_, [&](const auto &entry) { return !present.contains(entry.first); });
	changes_ += gone;
	std::erase_if(oversized_, [&](const std::string &key) { return !present.contains(key); });

	too_many_ = false;
	std::int64_t newest = 0;
	for (KeyValue &kv : response.kvs) {
		const std::int64_t mod_revision = kv.mod_revision;
		if (take(std::move(kv), now))
			newest = std::max(newest, mod_revision);
	}
	revision_ = response.revision;
	return newest;
}

void MirrorCopy::apply(std::vector<WatchEvent> events, Instant now) {
	std::int64_t newest = revision_;
	for (WatchEvent &event : events) {
		if (event.kv.mod_revision <= revision_)
			continue;
		newest = std::max(newest, event.kv.mod_revision);
		if (!event.deleted) {
			take(std::move(event.kv), now);
			continue;
		}
		oversized_.erase(event.kv.key);
		changes_ += entries_.erase(event.kv.key);
	}
	revision_ = newest;
}

std::string MirrorCopy::problem() const {
	std::string text;
	if (too_many_)
		text = "more than " + std::to_string(max_keys_) + " keys in the store; the rest is ignored";
	if (oversized_.empty())
		return text;
	if (!text.empty())
		text += "; ";
	text += "values larger than " + std::to_string(max_value_bytes_) + " bytes are ignored:";
	std::size_t named = 0;
	for (const std::string &key : oversized_) {
		if (named++ == max_named) {
			text += " and " + std::to_string(oversized_.size() - max_named) + " more";
			break;
		}
		text += " " + key;
	}
	return text;
}

}  // namespace stolon::store
