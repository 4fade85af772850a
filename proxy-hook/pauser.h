// The console through which a pgbouncer is told to let clients wait.
//
// PAUSE is answered when the last transaction ends, which a stuck statement delays for ever
// (LESSONS P-4), so it has a connection of its own. Its effect is immediate.
#pragma once

#include <string>

#include "proxy-hook/admin.h"
#include "proxy-hook/complaint.h"

namespace stolon::proxy {

class Pauser {
public:
	/// `name` is for the log.
	Pauser(program::Loop &loop, std::string name, const std::string &socket_path);

	/// Connects unless it is connected.
	core::Status open();
	void close();
	/// Connected and logged in: what is sent now is written now.
	bool is_ready() const { return link_.is_ready() && !retiring_; }
	/// A pause may be asked for.
	bool is_usable() const { return link_.is_open() && !retiring_; }

	/// Lets clients wait. Needs is_usable().
	void pause();
	/// Clients go on, by a RESUME on another connection: no PAUSE of this one takes effect any
	/// more. One that has not been answered may not even have been read yet; a RESUME is sent after
	/// it, and then the connection is made anew, since nobody will ever answer to it in order.
	void forget();
	/// The last PAUSE was answered: no transaction is open. True also when none was sent.
	bool is_drained() const { return drained_; }
	/// Whether the PAUSE was read is not known, or it was refused: pause() must be called again.
	bool is_lost() const { return lost_; }

private:
	void pause_anew();
	void answered(const core::Result<std::vector<AdminAnswer>> &answers);

	std::string name_;
	AdminLink link_;
	Complaint complaint_;
	bool drained_ = true;
	bool lost_ = false;
	bool retiring_ = false;
};

}  // namespace stolon::proxy
