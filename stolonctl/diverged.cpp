#include "stolonctl/diverged.h"

#include "stolonctl/table.h"

namespace stolon::ctl {

namespace {

std::string what_of(const core::DivergedData &data) {
	return data.half_rewound ? "half rewound directory" : data.whole ? "data directory" : "WAL";
}

std::string lost_of(const core::DivergedData &data) {
	if (data.time.empty()) {
		return "not examined yet";
	}
	if (!data.examined) {
		return "not examined: " + data.problem;
	}
	if (data.end == data.fork) {
		return "nothing has diverged";
	}
	const std::string range = data.fork.lsn.to_string() + " to " + data.end.lsn.to_string() +
	                          " on timeline " + std::to_string(data.end.timeline.value);
	const std::string prepared =
	    data.prepared == 0
	        ? std::string()
	        : ", " + std::to_string(data.prepared) +
	              (data.prepared == 1 ? " prepared transaction" : " prepared transactions");
	if (data.commits == 0) {
		return "no commits" + prepared + ", WAL " + range;
	}
	return std::to_string(data.commits) + (data.commits == 1 ? " commit" : " commits") + ", " +
	       data.first_commit + (data.commits == 1 ? std::string() : " to " + data.last_commit) +
	       prepared + ", WAL " + range;
}

}  // namespace

std::string diverged_text(const ClusterView &view, const core::KeeperUid &only) {
	Table table({"KEEPER", "SET ASIDE", "DB", "WHAT", "DIRECTORY", "ONLY THERE"});
	bool any = false;
	for (const auto &[uid, node] : view.nodes) {
		for (const auto &data : node.diverged) {
			if (!only.empty() && uid != only) {
				continue;
			}
			any = true;
			table.add({uid.value, printable(data.time), data.db.value, what_of(data),
			           printable(data.name), printable(lost_of(data))});
		}
	}
	return any ? table.text() : std::string("Nothing is set aside.\n");
}

}  // namespace stolon::ctl
