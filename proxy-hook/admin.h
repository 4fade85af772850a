// A connection to one pgbouncer's admin console, over its Unix socket.
//
// It speaks the PostgreSQL protocol (version 3, simple queries) itself because libpq cannot put two
// simple queries into one write, and that is what matters here (LESSONS P-1): RELOAD and RESUME
// that arrive together are carried out without a client being looked at in between.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "store/program/fd.h"
#include "store/program/program.h"

namespace stolon::proxy {

using program::Fd;

/// What the console answered to one statement.
struct AdminAnswer {
	std::string tag;    ///< of the completed command, for example "PAUSE"; empty if it failed
	std::string error;  ///< pgbouncer's message; empty if it succeeded
	std::vector<std::string> columns;
	std::vector<std::vector<std::string>> rows;

	bool ok() const { return error.empty(); }
	/// The text in a column of a row; "" when there is no such column.
	std::string cell(std::size_t row, std::string_view column) const;
};

/// Parses the server's side of the protocol: feed it bytes, it collects answers. Refuses messages
/// that are longer than any console's. Separate from the socket, so that it can be tested.
class AdminParser {
public:
	/// False when the bytes are not this protocol.
	bool feed(std::string_view bytes);
	/// Answers that were ended by ReadyForQuery, oldest first. The first one is the login's.
	std::deque<AdminAnswer> &finished() { return finished_; }
	/// Of the answer that has not been ended yet.
	const std::string &error() const { return current_.error; }

private:
	bool message(char type, std::string_view body);

	std::string buffer_;
	AdminAnswer current_;
	std::deque<AdminAnswer> finished_;
};

/// One connection. All callbacks come from the loop, never from a call into this class; the owner
/// must not destroy the link from within one.
class AdminLink {
public:
	using Done = std::function<void(core::Result<std::vector<AdminAnswer>>)>;

	AdminLink(program::Loop &loop, std::string socket_path);
	~AdminLink();
	AdminLink(const AdminLink &) = delete;
	AdminLink &operator=(const AdminLink &) = delete;

	/// Connects and sends the login; statements may be sent at once, they wait for it.
	core::Status open();
	void close();
	bool is_open() const { return static_cast<bool>(fd_); }
	bool is_ready() const { return is_open() && logged_in_; }  ///< the login was answered
	/// Why the login failed on the last connection; "": it did not.
	const std::string &refusal() const { return refusal_; }
	void forget_refusal() { refusal_.clear(); }
	/// Process id of the one that listens; 0: not known.
	int peer_pid() const;
	bool is_idle() const { return batches_.empty(); }
	/// Since when the oldest unanswered batch has waited; meaningless when idle.
	core::Instant waiting_since() const { return batches_.front().sent_at; }

	/// Sends all statements in one write. `done` gets one answer for each; or an Error when the
	/// connection broke before the last one.
	void send(std::vector<std::string> statements, Done done);

private:
	struct Batch {
		std::size_t statements = 0;
		core::Instant sent_at;
		std::vector<AdminAnswer> answers;
		Done done;
	};
	void readable();
	void deliver();
	void write_out();
	void broken(const std::string &why);

	program::Loop &loop_;
	std::string path_;
	Fd fd_;
	bool logged_in_ = false;
	std::string unsent_;  ///< statements that wait for the login
	AdminParser parser_;
	std::deque<Batch> batches_;
	std::string refusal_;
};

}  // namespace stolon::proxy
