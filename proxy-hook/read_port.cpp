#include "proxy-hook/read_port.h"

#include <algorithm>

namespace stolon::proxy {

namespace {

std::string describe(const core::ReadDecision &decision,
                     const std::vector<core::Backend> &backends) {
	std::string text;
	for (const core::Backend &backend : backends) {
		text += (text.empty() ? "readers are sent to " : ", ") + backend.host + ":" +
		        std::to_string(backend.port);
	}
	if (text.empty()) {
		text = "readers wait for a standby";
	} else if (decision.from_master) {
		text += ", the master";
	}
	for (const std::string &why : decision.left_out) {
		text += "; " + why;
	}
	const std::size_t unused = decision.backends.size() - backends.size();
	return unused == 0 ? text
	                   : text + "; " + std::to_string(unused) +
	                         " standbys are not used, as there are fewer pgbouncers";
}

bool contains(const std::vector<core::Backend> &all, const core::Backend &one) {
	return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

void ReadPort::follow(const core::ReadDecision &decision) {
	std::vector<std::optional<core::Backend>> had;
	for (const Slot &slot : slots_) {
		had.push_back(slot.backend);
	}
	const auto now = core::assign_readers(had, decision.backends);
	backends_.clear();
	for (std::size_t i = 0; i < slots_.size(); ++i) {
		Slot &slot = slots_[i];
		const auto is_lost = [&](const core::Backend &one) {
			return !contains(decision.alive, one);
		};
		if (now[i]) {
			if (had[i] && *had[i] != *now[i]) {
				slot.left.insert(*had[i]);
			}
			slot.left.erase(*now[i]);
			// Statements at a server that is lost would never end.
			const bool cuts = std::erase_if(slot.left, is_lost) > 0;
			const std::uint64_t term = slot.goal.term + (cuts ? 1 : 0);
			slot.goal = {BouncerMode::Serve, {*now[i]}, term};
			slot.goal.spared.assign(slot.left.begin(), slot.left.end());
			slot.goal.spared.push_back(*now[i]);
			if (!contains(backends_, *now[i])) {
				backends_.push_back(*now[i]);
			}
			slot.backend = now[i];
		} else if (had[i]) {
			// What it had is kept, for it tells later whether that was lost.
			slot.goal.mode = is_lost(*had[i]) ? BouncerMode::Close : BouncerMode::Hold;
		}
	}
	std::sort(backends_.begin(), backends_.end());
	from_master_ = decision.from_master;
	summary_ = describe(decision, backends_);
}

void ReadPort::leave_master(core::ProxyGoal goal) {
	if (!from_master_) {
		return;
	}
	for (Slot &slot : slots_) {
		if (slot.goal.mode == BouncerMode::Leave) {
			continue;
		}
		slot.goal.mode = goal == core::ProxyGoal::Close ? BouncerMode::Close : BouncerMode::Hold;
	}
}

void ReadPort::stop_listening() {
	for (Slot &slot : slots_) {
		slot.goal.mode = BouncerMode::Off;
	}
}

}  // namespace stolon::proxy
