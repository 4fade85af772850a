#include "launcher/archive.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <tuple>
#include <utility>

#include "launcher/entries.h"
#include "launcher/process.h"
#include "launcher/server_setting.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::Result;
using core::Status;
namespace fs = std::filesystem;

constexpr const char *names_of_parameters[] = {"archive_mode", "archive_command",
                                               "archive_library"};
constexpr std::string_view ready = ".ready";

/// What PostgreSQL's archiver takes for the name of something to be archived. Nothing else is ever
/// given to a shell.
bool is_archivable(std::string_view name) {
	constexpr std::size_t shortest = 16, longest = 40;
	return name.size() >= shortest && name.size() <= longest &&
	       name.find_first_not_of("0123456789ABCDEF.history.backup.partial") ==
	           std::string_view::npos;
}

/// A parameter's value, with that of the spec in force. An older PostgreSQL does not know each.
Result<std::string> setting(const ArchiveJob &job, const std::string &name) {
	return server_setting(job.bin_path, job.pgdata, name, job.parameters, Errors::Discard);
}

/// The archive_command; or why there is none to be run.
Result<std::string> find_command(const ArchiveJob &job) {
	if (const auto library = setting(job, "archive_library"); library.ok() && !library->empty())
		return core::invalid("archive_library (" + *library +
		                     ") can only be used by a server that runs");
	auto command = setting(job, "archive_command");
	if (!command.ok())
		return core::invalid("archive_command is not known: " + command.error().message);
	if (command->find_first_not_of(" \t") == std::string::npos)
		return core::invalid("archive_command is empty");
	return command;
}

/// In PGDATA, as the server would run it.
Status run_once(const ArchiveJob &job, const std::string &text) {
	Command command;
	command.argv = {"/bin/sh",         "-c",       R"(cd "$1" && exec /bin/sh -c "$2")",
	                "archive_command", job.pgdata, text};
	return run_command_for(command, job.bound);
}

Status mark_done(const std::string &pgdata, const std::string &file) {
	const std::string directory = pgdata + "/pg_wal/archive_status";
	const std::string from = directory + "/" + file + std::string(ready);
	const std::string to = directory + "/" + file + ".done";
	if (std::rename(from.c_str(), to.c_str()) != 0)
		return system_error("rename \"" + from + "\"");
	return store::sync_path(directory);
}

Status archive_file(const ArchiveJob &job, const std::string &command, const std::string &file) {
	const std::string text = archive_command_for(command, file);
	Status done = run_once(job, text);
	if (!done.ok() && done.error().kind != core::ErrorKind::Unknown) {
		warn("archiving " + file + " failed, once more: " + done.error().message);
		::sleep(1);
		done = run_once(job, text);
	}
	return done.ok() ? mark_done(job.pgdata, file) : done;
}

void warn_of_what_is_left(const std::vector<std::string> &files, const std::string &why) {
	warn(std::to_string(files.size()) +
	     " files of WAL that only this server was to archive are not archived, " + files.front() +
	     " is the first: " + why);
}

/// Each name begins with it, whatever the file is.
core::Timeline timeline_of(const std::string &file) {
	constexpr std::size_t digits = 8;
	return core::Timeline{
	    static_cast<std::uint32_t>(std::strtoul(file.substr(0, digits).c_str(), nullptr, 16))};
}

bool archiving_is_off(const Result<std::string> &mode) {
	return mode.ok() && *mode == "off";
}

/// Takes out what is withheld, and gives that.
std::vector<std::string> withhold(const ArchiveJob &job, std::vector<std::string> &files) {
	const auto first = std::stable_partition(
	    files.begin(), files.end(),
	    [&](const std::string &file) { return job.withheld.count(timeline_of(file)) == 0; });
	std::vector<std::string> withheld(first, files.end());
	files.erase(first, files.end());
	return withheld;
}

}  // namespace

std::map<std::string, std::string> archive_parameters(
    const std::map<std::string, std::string> &parameters) {
	std::map<std::string, std::string> chosen;
	for (const char *name : names_of_parameters)
		if (const auto found = parameters.find(name); found != parameters.end())
			chosen.insert(*found);
	return chosen;
}

std::string archive_command_for(const std::string &command, const std::string &file) {
	std::string text;
	for (std::size_t i = 0; i < command.size(); ++i) {
		const char next = command[i] == '%' && i + 1 < command.size() ? command[i + 1] : '\0';
		if (next == 'p')
			text += "pg_wal/" + file;
		else if (next == 'f')
			text += file;
		else if (next == '%')
			text += '%';
		else
			text += command[i];
		if (next == 'p' || next == 'f' || next == '%')
			++i;
	}
	return text;
}

std::vector<std::string> files_to_archive(const std::string &pgdata) {
	std::vector<std::string> files;
	const auto entries = list_entries(pgdata + "/pg_wal/archive_status");
	if (!entries.ok()) {
		warn("which files of WAL only this server was to archive cannot be told: " +
		     entries.error().message);
		return files;
	}
	for (const std::string &entry : *entries) {
		if (!entry.ends_with(ready))
			continue;
		const std::string file = entry.substr(0, entry.size() - ready.size());
		if (is_archivable(file) && exists(pgdata + "/pg_wal/" + file))
			files.push_back(file);
	}
	std::sort(files.begin(), files.end(), [](const std::string &a, const std::string &b) {
		const auto key = [](const std::string &file) {
			return std::tuple(!file.ends_with(".history"), std::string_view(file));
		};
		return key(a) < key(b);
	});
	return files;
}

namespace {

/// Gives those that still wait.
std::vector<std::string> archive_all(const ArchiveJob &job, std::vector<std::string> files) {
	if (files.empty())
		return files;
	const auto command = find_command(job);
	if (!command.ok()) {
		warn_of_what_is_left(files, command.error().message);
		return files;
	}
	std::size_t archived = 0;
	for (; archived < files.size(); ++archived) {
		const std::string &file = files[archived];
		say("archiving " + file + " (" + std::to_string(archived + 1) + " of " +
		    std::to_string(files.size()) + ")");
		if (auto done = archive_file(job, *command, file); !done.ok()) {
			files.erase(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(archived));
			warn_of_what_is_left(files, done.error().message);
			return files;
		}
	}
	say(std::to_string(archived) +
	    " files of WAL that only this server was to archive are in the archive");
	return {};
}

}  // namespace

std::vector<std::string> archive_waiting_wal(const ArchiveJob &job) {
	std::vector<std::string> files = files_to_archive(job.pgdata);
	if (files.empty())
		return files;
	const auto mode = setting(job, "archive_mode");
	if (archiving_is_off(mode))
		return {};
	const auto withheld = withhold(job, files);
	if (!withheld.empty())
		warn_of_what_is_left(withheld, "the master's line has other WAL under these names");
	if (!mode.ok() && !files.empty()) {
		warn_of_what_is_left(files, mode.error().message);
	} else {
		files = archive_all(job, std::move(files));
	}
	files.insert(files.end(), withheld.begin(), withheld.end());
	return files;
}

void tell_withheld_wal(const ArchiveJob &job) {
	const auto files = files_to_archive(job.pgdata);
	if (!files.empty() && !archiving_is_off(setting(job, "archive_mode")))
		warn_of_what_is_left(files,
		                     "it is not known to be the master's line, which may have other WAL "
		                     "under these names; it stays in these data, which are kept");
}

Status keep_unarchived(const std::string &pgdata, const std::vector<std::string> &files,
                       const std::string &directory) {
	std::uint64_t bytes = 0;
	std::error_code error;
	for (const auto &file : files)
		if (const auto size = fs::file_size(pgdata + "/pg_wal/" + file, error); !error)
			bytes += size;
	if (auto done = check_room("WAL that is not archived cannot be kept", directory, bytes);
	    !done.ok())
		return done;
	const std::string place = directory + "/unarchived";
	fs::create_directory(place, error);
	for (const auto &file : files) {
		say("keeping " + file);
		const std::string copy = place + "/" + file;
		if (!fs::copy_file(pgdata + "/pg_wal/" + file, copy, fs::copy_options::overwrite_existing,
		                   error))
			return core::Error{core::ErrorKind::Unavailable,
			                   "could not make \"" + copy + "\": " + error.message()};
		if (auto done = store::sync_path(copy); !done.ok())
			return done;
	}
	return store::write_file_atomically(
	    place + "/README.txt",
	    "The WAL in this directory was to be archived by this server, which could not do it.\n"
	    "If the archive lacks these files, it cannot be used to recover beyond them: copy those\n"
	    "that it lacks to it, under their names, or make a new base backup.\n",
	    0600);
}

}  // namespace stolon::launcher
