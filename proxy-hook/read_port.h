// The read-only port: what each of its pgbouncers is to do. Each leads to one server: so they may
// have different ports, a certificate's name can be checked, and a standby that joins or leaves
// disturbs only those who move.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/plan/read_plan.h"
#include "proxy-hook/driver.h"

namespace stolon::proxy {

class ReadPort {
public:
	explicit ReadPort(std::size_t processes) : slots_(processes) {}

	/// The servers have been chosen.
	void follow(const core::ReadDecision &decision);
	/// Nobody knows who the master will be. Readers whom a lack of standbys had sent to the master
	/// wait with everybody else (Queue), or are cut (Close); those of a standby notice nothing.
	void leave_master(core::ProxyGoal goal);

	/// Without a view, where that is wanted: nobody listens until the servers are chosen again.
	void stop_listening();

	std::size_t size() const { return slots_.size(); }
	const BouncerGoal &goal(std::size_t process) const { return slots_[process].goal; }
	/// The servers in use, and why others are not; for the log and for status.
	const std::string &summary() const { return summary_; }
	const std::vector<core::Backend> &backends() const { return backends_; }
	bool from_master() const { return from_master_; }

private:
	struct Slot {
		std::optional<core::Backend> backend;
		std::set<core::Backend> left;  ///< where statements may still run, though no more begin
		BouncerGoal goal;
	};
	std::vector<Slot> slots_;
	std::vector<core::Backend> backends_;
	bool from_master_ = false;
	std::string summary_;
};

}  // namespace stolon::proxy
