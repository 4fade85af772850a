#include "launcher/data_position.h"

#include <cstdio>

#include "launcher/control_file.h"
#include "launcher/examine.h"
#include "launcher/process.h"
#include "spdlog/spdlog.h"

namespace stolon::launcher {

namespace {

/// It only reads, so nobody has to wait for it.
constexpr int no_lock = -1;

core::Status tell_end(const std::string &bin_path, const std::string &pgdata) {
	const auto end = end_of_wal(bin_path, pgdata);
	if (!end.ok())
		return end.error();
	say(std::to_string(end->timeline.value) + " " + end->lsn.to_string());
	return {};
}

core::WalPosition parse_end(const std::string &line) {
	core::WalPosition end;
	char lsn[32] = {};
	if (std::sscanf(line.c_str(), "%u %31s", &end.timeline.value, lsn) != 2)
		return {};
	const auto parsed = core::Lsn::parse(lsn);
	if (!parsed.ok())
		return {};
	end.lsn = *parsed;
	return end;
}

}  // namespace

void DataPosition::begin(const std::string &bin_path, const std::string &pgdata) {
	forget();
	begun_ = true;
	position_ = last_position(bin_path, pgdata);
	auto task = Task::start([bin_path, pgdata] { return tell_end(bin_path, pgdata); }, no_lock);
	if (task.ok())
		task_ = std::move(*task);
	else
		spdlog::warn("where the WAL ends is not read: {}", task.error().message);
}

void DataPosition::forget() {
	if (task_)
		task_->kill();
	task_.reset();
	begun_ = is_end_ = false;
	position_ = {};
}

void DataPosition::poll(core::Instant now) {
	if (!task_)
		return;
	task_->read_output(now);
	const auto ended = task_->poll_end();
	if (!ended)
		return;
	task_->read_output(now);
	const core::Status outcome = task_->outcome(*ended);
	const core::WalPosition end = parse_end(task_->progress());
	task_.reset();
	if (outcome.ok() && end.lsn.valid()) {
		position_ = end;
		is_end_ = true;
		spdlog::info("the WAL that lies here ends on {}", end.to_string());
	} else {
		spdlog::warn("where the WAL ends that lies here cannot be told: {}",
		             outcome.ok() ? "it was not understood" : outcome.error().message);
	}
}

}  // namespace stolon::launcher
