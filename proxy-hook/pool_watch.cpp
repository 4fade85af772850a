#include "proxy-hook/pool_watch.h"

#include <cstdlib>

namespace stolon::proxy {

namespace {

constexpr auto count_interval = core::seconds(1);
constexpr auto never = core::seconds(3600);

}  // namespace

ClientCount count_clients(const AdminAnswer &pools) {
	ClientCount count;
	for (std::size_t row = 0; row < pools.rows.size(); ++row) {
		if (pools.cell(row, "database") == "pgbouncer") {
			continue;
		}
		const int waiting = std::atoi(pools.cell(row, "cl_waiting").c_str());
		count.waiting += waiting;
		count.connected += waiting + std::atoi(pools.cell(row, "cl_active").c_str());
	}
	return count;
}

core::Instant PoolWatch::step(core::Instant now, bool wanted) {
	if (!wanted) {
		link_.close();
		count_.reset();
		ask_at_ = now;
		return now + never;
	}
	if (now < ask_at_ || (link_.is_open() && !link_.is_idle())) {
		return std::max(ask_at_, now + count_interval);
	}
	ask_at_ = now + count_interval;
	if (link_.is_open() || link_.open()) {
		link_.send({"SHOW POOLS"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
			if (answers && answers->front().ok()) {
				count_ = count_clients(answers->front());
			}
		});
	}
	return ask_at_;
}

}  // namespace stolon::proxy
