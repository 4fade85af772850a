#include "launcher/report.h"

#include "launcher/fault_point.h"
#include "launcher/kept_tablespaces.h"
#include "launcher/wal_dump.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

std::string line(const std::string &label, const std::string &text) {
	constexpr std::size_t width = 12;
	return label + std::string(width > label.size() ? width - label.size() : 1, ' ') + text + "\n";
}

std::string what_of(const core::DivergedData &data) {
	if (data.half_rewound)
		return std::string("a data directory whose rewind was interrupted: NOT to be started.\n") +
		       "            It is neither what it was nor a copy of the master. This node's own\n"
		       "            files of before (postgresql.conf, keys) are in " +
		       node_files_kept;
	return data.whole ? "the whole data directory; a copy of the master replaced it"
	                  : "the diverged WAL; the data directory itself was rewound";
}

std::string commits_text(const core::DivergedData &data) {
	if (data.commits == 0)
		return "none";
	return std::to_string(data.commits) + "; the first at " + data.first_commit + ", the last at " +
	       data.last_commit;
}

std::string how_to_look(const std::string &directory, const Examination &found) {
	std::string text =
	    "\nTo look at it, in this directory (--rmgr=Transaction shows commits only):\n\n";
	for (const auto &range : found.back.beyond)
		text += "    " + dump_command(directory, found.control.shape, range) + "\n";
	return text;
}

std::string not_examined(const std::string &directory, const core::DivergedData &data,
                         const Examination *found) {
	const std::string text = line("Examined:", "no; " + data.problem) +
	                         line("Commits:", "not known; there may be some that are nowhere else");
	return text + (found ? how_to_look(directory, *found) : std::string());
}

std::string findings(const std::string &directory, const core::DivergedData &data,
                     const Examination *found) {
	if (!data.examined)
		return not_examined(directory, data, found);
	std::string text = line("In common:", "everything up to " + data.fork.to_string() +
	                                          ", with the line of the master that is followed now");
	if (found != nullptr && found->back.way == core::Way::Follow)
		return text + line("Diverged:", "nothing; all WAL that lies here is a part of that line");
	text += line("Diverged:",
	             "WAL from " + data.fork.lsn.to_string() + " to " + data.end.to_string() +
	                 (found ? ", " + std::to_string(found->beyond.records) + " records" : ""));
	text += line("Commits:", commits_text(data));
	if (data.prepared > 0)
		text += line("Prepared:", std::to_string(data.prepared) +
		                              " transactions were prepared, for a commit in two phases");
	return text + (found ? how_to_look(directory, *found) : line("See:", data.problem));
}

}  // namespace

void take_findings(const Examination *found, core::DivergedData &data) {
	if (found == nullptr)
		return;
	data.examined = found->back.way != core::Way::Clone;
	if (!data.examined) {
		data.problem = found->back.reason;
		return;
	}
	data.fork = found->back.fork;
	data.end = found->line.position;
	data.commits = found->beyond.commits;
	data.prepared = found->beyond.prepared;
	data.first_commit = found->beyond.first_commit;
	data.last_commit = found->beyond.last_commit;
}

core::Status write_report(const std::string &directory, const Identity &identity,
                          const core::DivergedData &data, const Examination *found) {
	std::string text = "Data that were set aside by stolon\n\n";
	text += line("Cluster:", identity.cluster_name);
	text += line("Keeper:", identity.keeper.value);
	text += line("Db:", data.db.empty() ? "not known" : data.db.value);
	text += line("Set aside:", data.time);
	text += line("What:", what_of(data));
	for (const auto &location : tablespaces_in_the_way(directory))
		text += line("Tablespace:", "in \"" + location +
		                                "\", where it could not be moved away: do not give that "
		                                "location to CREATE TABLESPACE again");
	text += findings(directory, data, found);
	text +=
	    "\nSuch directories are removed when they were examined and are more than keepDiverged of "
	    "the\n"
	    "cluster spec: first those without anything of their own, then those without a commit, "
	    "then\n"
	    "the others, the oldest first. What was not examined stays until somebody removes it. "
	    "Copy\n"
	    "what you need to another place.\n";
	if (auto done = store::write_file_atomically(directory + "/" + report_file, text, 0600);
	    !done.ok())
		return done;
	FAULT_POINT("report-written");
	auto done = store::write_file_atomically(directory + "/" + findings_file,
	                                         core::diverged_to_json(data).dump() + "\n", 0600);
	FAULT_POINT("findings-written");
	return done;
}

}  // namespace stolon::launcher
