#include "extension/keeper/members.h"

namespace stolon::pg {

void Members::tell(core::KeeperInputs *inputs) {
	read_changes();
	inputs->reports = reports_;
	inputs->present = present_;
}

core::WalPosition Members::position_of(const core::DbUid &db) {
	read_changes();
	const auto found = reports_.find(db);
	return found == reports_.end() ? core::WalPosition() : found->second.position;
}

void Members::read_changes() {
	if (mirror_.changes() == changes_)
		return;
	changes_ = mirror_.changes();
	read();
}

void Members::read() {
	reports_.clear();
	present_.clear();
	const std::string infos = keys_.keeper_infos();
	const auto [first, end] = mirror_.with_prefix(infos);
	for (auto it = first; it != end; ++it) {
		const auto info = core::parse_keeper_info(it->second.value);
		if (!info || info->db.empty())
			continue;
		present_.insert(info->uid);
		reports_[info->db] = {info->position, info->redo};
	}
	const std::string nodes = keys_.nodes();
	const auto [first_node, end_of_nodes] = mirror_.with_prefix(nodes);
	for (auto it = first_node; it != end_of_nodes; ++it) {
		if (const auto uid = core::KeeperUid::parse(it->first.substr(nodes.size())))
			present_.insert(*uid);
	}
}

}  // namespace stolon::pg
