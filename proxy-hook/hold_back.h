// Holds back for a moment what the clients of a pgbouncer send.
//
// pgbouncer 1.18 answers whoever begins a transaction while its last login at the server has failed
// with "server login has been failing" instead of letting it wait, and a pause or a change of the
// configuration lets any login that is under way fail. So from the moment that clients are let go
// to a new master until the first login there stands, requests of clients that were not waiting yet
// must not reach pgbouncer. They stay in the kernel: a socket with a high SO_RCVLOWAT is not
// readable before so many bytes have arrived. The sockets are reached like those that are cut
// (cut.h).
#pragma once

#include <set>
#include <string>

#include "core/base/result.h"

namespace stolon::proxy {

class HoldBack {
public:
	/// `port`: where the clients connect. `marker` is a file that is there while requests may be
	/// held back: whoever takes the process over after a crash of ours has to let them pass.
	HoldBack(int port, std::string marker) : port_(port), marker_(std::move(marker)) {}

	/// Holds back what the present clients send; called again, also that of new ones. Denied: the
	/// kernel does not allow it, and nothing is held back.
	core::Status begin(int pidfd, int pid);
	/// Lets everything pass. Denied: the kernel does not allow it, so the clients of a predecessor
	/// who did hold back would wait for ever.
	core::Status end(int pidfd, int pid);
	/// The process has ended, and its sockets with it.
	void forget();
	/// A predecessor has died while it held back.
	bool is_marked() const;

private:
	int port_;
	std::string marker_;
	bool marked_ = false;
	std::set<int> held_;  ///< numbers of the process's fds
};

}  // namespace stolon::proxy
