// A pgbouncer that others have started, and which they start again and stop: it includes a file
// that is written here, and is driven by its console.
#pragma once

#include <memory>
#include <string>

#include "proxy-hook/complaint.h"
#include "proxy-hook/target.h"

namespace stolon::proxy {

/// The file that attached pgbouncers include: all databases, where they lead, and a marker by which
/// a pgbouncer shows that it has read it.
class AttachedFile {
public:
	explicit AttachedFile(std::string path) : path_(std::move(path)) {}

	/// Writes it (to a temporary file that is renamed) unless it says so already; returns the
	/// marker.
	core::Result<std::string> write(const std::vector<core::Backend> &backends);
	void set_included(const Included &included);
	/// Should somebody have changed or removed it, the next write() writes.
	void check();
	const std::string &path() const { return path_; }
	const std::vector<core::Backend> &backends() const { return written_; }
	const Included &included() const { return included_; }

private:
	std::string path_;
	Included included_;
	std::vector<core::Backend> written_;
	std::string marker_;
	std::string text_;
};

class Attached : public Target {
public:
	/// `address`: directory of the console's socket, a colon, the port.
	Attached(program::Loop &loop, const std::string &address, std::shared_ptr<AttachedFile> file);

	void prepare(const std::vector<core::Backend> &backends) override;
	void set_goal(BouncerGoal goal) override;
	void reload() override { driver_.reload(); }
	void set_included(const Included &included) override;
	core::Instant step(core::Instant now) override;
	/// Also when no such pgbouncer runs: it will read the file when it starts.
	bool reached() const override { return is_down_ || driver_.reached(); }
	bool is_drained() const override { return is_down_ || driver_.is_drained(); }
	bool is_up() const { return !is_down_; }
	/// It goes on as it is.
	void stop() override {}
	bool is_stopped() const override { return true; }

private:
	DriverHooks hooks();
	core::Result<int> cut(const std::vector<ServerConnection> &which);
	void give_advice(const AdminAnswer &config);

	std::string name_;
	std::shared_ptr<AttachedFile> file_;
	Driver driver_;
	bool is_down_ = true;
	bool has_advised_ = false;
};

/// "DIR:PORT" as the path of a socket; Invalid says what is wrong.
core::Result<std::string> console_path(const std::string &address);

/// What speaks against a pgbouncer having read the file with this marker: "" or a sentence that
/// says what to do.
std::string misread_databases(const AdminAnswer &databases, const AttachedFile &file,
                              const std::string &marker);

}  // namespace stolon::proxy
