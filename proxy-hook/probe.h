// Notices at once that the master's Postgres is gone although its host still answers.
// A host that does not answer is noticed after two seconds.
//
// The view says so only after the launcher's word, or after failInterval when the launcher died
// with it. Until then every connection that pgbouncer tries is refused, and pgbouncer 1.18 answers
// a refused connection with an error to the next client, not with patience. So the proxy holds a
// connection of its own: it breaks together with the clients', who are made to wait at once, until
// Postgres is heard to accept connections again or the view names another master.
//
// The held connection sends nothing. Postgres lets it be for authentication_timeout (60 s) and
// writes no line in its log; it is renewed before.
#pragma once

#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/plan/proxy_plan.h"
#include "store/program/fd.h"
#include "store/program/program.h"

namespace stolon::proxy {

using program::Fd;

class Probe {
public:
	explicit Probe(program::Loop &loop);
	~Probe();
	Probe(const Probe &) = delete;
	Probe &operator=(const Probe &) = delete;

	/// Whom to watch; nullopt: nobody. Only numeric addresses are watched: a name would have to be
	/// looked up, which takes time.
	void watch(const std::optional<core::Backend> &master);
	/// Does what is due; returns when it must be called again at the latest.
	core::Instant step(core::Instant now);
	/// The last thing heard from the watched server was that it let the held connection break or
	/// refused a new one: nothing listens there, or it answers that it is starting up, shutting
	/// down or recovering from a crash.
	bool is_refused() const { return refused_; }
	/// The server was heard, and the connection that will break with it stands.
	bool is_holding() const { return state_ == State::Holding; }

private:
	enum class State {
		Idle,
		Connecting,  ///< to ask
		Asking,      ///< a startup packet was sent: what comes back says whether it lets clients in
		Holding,     ///< connected (or connecting) in silence
	};
	void connect(State state, core::Instant now);
	void ready();
	void connected(core::Instant now);
	void answered(core::Instant now);
	void held_lost(core::Instant now);
	void refuse(core::Instant now);
	void retry(core::Instant now);
	void disconnect();

	program::Loop &loop_;
	std::optional<core::Backend> master_;
	State state_ = State::Idle;
	Fd socket_;
	Fd epoll_;  ///< the loop watches for readable fds only; this one turns "writable" into that
	bool refused_ = false;
	core::Instant next_;  ///< Idle: next try; Holding: renewal; otherwise: when it is given up
	core::Instant held_since_;
	core::Duration renew_interval_{0};
	core::Duration patience_{0};                  ///< with the present attempt to connect
	std::string answer_;                          ///< what has arrived of it
	std::optional<core::Instant> no_good_since_;  ///< of the first attempt that has failed
	bool lost_too_early_ = false;
};

/// Whether the first message that a server sends after a startup packet means that it lets nobody
/// in at the moment (SQLSTATE 57P03, cannot_connect_now). nullopt: more bytes are needed.
std::optional<bool> is_refusal(std::string_view bytes);

}  // namespace stolon::proxy
