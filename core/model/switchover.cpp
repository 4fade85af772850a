#include "core/model/switchover.h"

#include <algorithm>

#include "core/model/fields.h"

namespace stolon::core {
namespace {

constexpr std::array<std::string_view, 9> phase_names = {
    "requested", "checkpoint", "pause", "stop", "promote", "done", "refused", "undone", "failed"};

bool is_id(std::string_view text) {
	return text.size() == SwitchoverLimits::id_digits &&
	       std::all_of(text.begin(), text.end(),
	                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

const char *to_string(SwitchoverPhase phase) {
	return phase_names[static_cast<std::size_t>(phase)].data();
}

Switchover read_switchover(const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.switchover");
	for (const char *key : {"id", "timeoutMs", "phase"})
		in.require(key);
	Switchover switchover;
	switchover.id = in.text("id", ValueLimits::max_name);
	switchover.to = in.uid<KeeperTag>("to");
	switchover.timeout = in.ms("timeoutMs", SwitchoverLimits::max_timeout);
	switchover.phase = in.choice<SwitchoverPhase>("phase", phase_names);
	switchover.epoch = in.epoch("epoch");
	switchover.generation = static_cast<std::uint64_t>(in.integer("generation"));
	switchover.from = in.uid<DbTag>("from");
	switchover.target = in.uid<DbTag>("target");
	switchover.reason = in.text("reason", ValueLimits::max_message);
	if (!is_id(switchover.id))
		in.fail("id", "must have 16 lower-case hexadecimal digits");
	if (switchover.timeout < SwitchoverLimits::min_timeout)
		in.fail("timeoutMs",
		        "must be at least " + std::to_string(to_ms(SwitchoverLimits::min_timeout)));
	if (switchover.is_running() && (switchover.from.empty() || switchover.target.empty()))
		in.fail("phase", "needs both \"from\" and \"target\"");
	outer.adopt(in);
	return switchover;
}

Json write_switchover(const Switchover &switchover) {
	Json object = Json::object();
	object.set("id", Json::string(switchover.id));
	put_text(object, "to", switchover.to.value);
	object.set("timeoutMs", Json::integer(to_ms(switchover.timeout)));
	object.set("phase", Json::string(to_string(switchover.phase)));
	put_number(object, "epoch", switchover.epoch.value);
	put_number(object, "generation", switchover.generation);
	put_text(object, "from", switchover.from.value);
	put_text(object, "target", switchover.target.value);
	put_message(object, "reason", switchover.reason);
	return object;
}

}  // namespace stolon::core
