#include "proxy-hook/pauser.h"

namespace stolon::proxy {

Pauser::Pauser(program::Loop &loop, std::string name, const std::string &socket_path)
    : name_(std::move(name)), link_(loop, socket_path) {}

core::Status Pauser::open() {
	return link_.is_open() ? core::Status{} : link_.open();
}

void Pauser::close() {
	link_.close();
	drained_ = true;
	lost_ = false;
	retiring_ = false;
}

void Pauser::pause() {
	drained_ = false;
	lost_ = false;
	link_.send({"PAUSE"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (!retiring_ && answers && !answers->back().ok()) {
			pause_anew();
		} else {
			answered(answers);
		}
	});
}

/// It was paused already, by a stolon-proxy that has died or by somebody else. PAUSE is refused
/// then, which says nothing about open transactions. Both in one write: nobody is let in.
void Pauser::pause_anew() {
	link_.send({"RESUME", "PAUSE"},
	           [this](core::Result<std::vector<AdminAnswer>> answers) { answered(answers); });
}

void Pauser::answered(const core::Result<std::vector<AdminAnswer>> &answers) {
	if (retiring_) {
		// Either the PAUSE's answer, after which the RESUME's comes, or the RESUME's.
		if (!answers || answers->back().tag != "PAUSE") {
			close();
		}
		return;
	}
	drained_ = answers && answers->back().tag == "PAUSE";
	lost_ = !drained_;
	if (answers && lost_) {
		complaint_.error(name_ + ": pgbouncer refuses to pause: " + answers->back().error);
	}
}

void Pauser::forget() {
	lost_ = false;
	if (drained_ || retiring_) {
		return;
	}
	if (!link_.is_ready()) {
		close();  // What was sent before the login was answered has not been written.
		return;
	}
	retiring_ = true;
	link_.send({"RESUME"},
	           [this](core::Result<std::vector<AdminAnswer>> answers) { answered(answers); });
}

}  // namespace stolon::proxy
