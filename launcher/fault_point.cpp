#include "launcher/fault_point.h"

#ifdef STOLON_FAULT_POINTS

#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "store/files.h"

namespace stolon::launcher {

namespace {

std::string armed_file;
pid_t launcher_pid = 0;

}  // namespace

void enable_fault_points(const std::string &root) {
	armed_file = root + "/fault-point";
	launcher_pid = ::getpid();
}

void reach_fault_point(std::string_view name) {
	const auto text = store::read_small_file(armed_file);
	if (!text.ok())
		return;
	const std::string wanted = text->substr(0, text->find('\n'));
	const bool hold = wanted == std::string(name) + " hold";
	if (!hold && wanted != std::string(name) + " kill")
		return;
	if (std::rename(armed_file.c_str(), (armed_file + ".reached").c_str()) != 0)
		return;
	if (hold)
		for (;;)
			::pause();
	// A task comes here in a process of its own.
	::kill(launcher_pid, SIGKILL);
	::kill(::getpid(), SIGKILL);
}

}  // namespace stolon::launcher

#endif
