#include "core/model/switchover.h"

#include "core/model/fields.h"
#include "core/model/switchover_request.h"

namespace stolon::core {
namespace {

constexpr std::array<std::string_view, 10> phase_names = {
    "requested", "checkpoint", "pause",  "stop",   "promote",
    "done",      "refused",    "undone", "failed", "cancelled"};

}  // namespace

const char *to_string(SwitchoverPhase phase) {
	return phase_names[static_cast<std::size_t>(phase)].data();
}

bool is_outcome(SwitchoverPhase phase) {
	return phase >= SwitchoverPhase::Done;
}

const char *sentence_of_step(SwitchoverPhase phase) {
	switch (phase) {
		case SwitchoverPhase::Requested:
			return "requested";
		case SwitchoverPhase::Checkpoint:
			return "the master writes a checkpoint";
		case SwitchoverPhase::Pause:
			return "the proxies let clients wait";
		case SwitchoverPhase::Stop:
			return "the master is stopped, its standbys vote";
		case SwitchoverPhase::Promote:
			return "the successor becomes writable";
		default:
			return "";
	}
}

SwitchoverPhase last_known_step(SwitchoverPhase phase, SwitchoverPhase shown) {
	if (is_outcome(phase))
		return phase == SwitchoverPhase::Done ? SwitchoverPhase::Promote : shown;
	return phase;
}

std::string describe_state(const Switchover &switchover) {
	if (switchover.phase == SwitchoverPhase::Requested && switchover.at)
		return "scheduled for " + format_wall_time(*switchover.at);
	return (switchover.is_over() ? "" : "in step ") + std::string(to_string(switchover.phase));
}

Switchover read_switchover(const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.switchover");
	for (const char *key : {"id", "timeoutMs", "phase"})
		in.require(key);
	Switchover switchover;
	switchover.id = in.text("id", ValueLimits::max_name);
	switchover.to = in.uid<KeeperTag>("to");
	switchover.timeout = in.ms("timeoutMs", SwitchoverLimits::max_timeout);
	if (const std::string at = in.text("at", ValueLimits::max_name); !at.empty()) {
		const auto time = parse_wall_time(at, nullptr);
		if (time)
			switchover.at = *time;
		else
			in.fail("at", time.error().message);
	}
	switchover.cancel = in.boolean("cancel");
	switchover.phase = in.choice<SwitchoverPhase>("phase", phase_names);
	switchover.epoch = in.epoch("epoch");
	switchover.generation = static_cast<std::uint64_t>(in.integer("generation"));
	switchover.from = in.uid<DbTag>("from");
	switchover.target = in.uid<DbTag>("target");
	switchover.reason = in.text("reason", ValueLimits::max_message);
	if (!is_switchover_id(switchover.id))
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
	if (switchover.at)
		object.set("at", Json::string(format_wall_time(*switchover.at)));
	object.set("phase", Json::string(to_string(switchover.phase)));
	put_flag(object, "cancel", switchover.cancel);
	put_number(object, "epoch", switchover.epoch.value);
	put_number(object, "generation", switchover.generation);
	put_text(object, "from", switchover.from.value);
	put_text(object, "target", switchover.target.value);
	put_message(object, "reason", switchover.reason);
	return object;
}

}  // namespace stolon::core
