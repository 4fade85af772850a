// Places at which tests kill the launcher. Only a program that is built with STOLON_FAULT_POINTS
// (stolon-launcher-faults, see CMakeLists.txt) has them; the one that is installed knows nothing of
// them.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace stolon::launcher {

/// All of them, in the order in which they are reached; t/039_* wants a case for each. A name says
/// what has just been done.
inline constexpr std::array<std::string_view, 54> fault_points = {
    "initdb-announced",
    "initdb-made",
    "initdb-roles",
    "initdb-synced",
    "initdb-whole",
    "clone-announced",
    "clone-copied",
    "clone-checked",
    "clone-ours",
    "clone-whole",
    "half-made-removed",
    "half-made-forgotten",
    "swap-node-files-moved",
    "swap-node-files-kept",
    "swap-why-noted",
    "swap-old-aside",
    "swap-place-free",
    "aside-tablespace-moved",
    "aside-tablespace-linked",
    "swap-note-gone",
    "swap-renamed",
    "swap-synced",
    "aside-renamed",
    "aside-synced",
    "saving-announced",
    "saving-copied",
    "report-written",
    "findings-written",
    "rewind-kept",
    "rewind-signal-gone",
    "rewind-recovered",
    "rewind-tried",
    "rewind-files-kept",
    "rewind-noted",
    "rewind-files-free",
    "rewind-rewound",
    "rewind-files-back",
    "rewind-ready",
    "rewind-whole",
    "rewind-note-gone",
    "rewind-unmarked",
    "follow-ready",
    "follow-whole",
    "start-include",
    "start-conf",
    "start-hba",
    "start-signal",
    "start-ready",
    "start-forked",
    "ended-reaped",
    "ended-released",
    "tidy-reporting",
    "tidy-renamed",
    "tidy-removed",
};

consteval bool is_fault_point(std::string_view name) {
	return std::find(fault_points.begin(), fault_points.end(), name) != fault_points.end();
}

#ifdef STOLON_FAULT_POINTS
/// From now on each point that is reached looks for the file "fault-point" in `root`: the name of a
/// point, a blank, and "kill" or "hold". If it is that point's name, the file is renamed to
/// "fault-point.reached", and then the launcher and its task are killed, or stop for ever.
void enable_fault_points(const std::string &root);
void reach_fault_point(std::string_view name);

#define FAULT_POINT(name)                                        \
	do {                                                         \
		static_assert(::stolon::launcher::is_fault_point(name)); \
		::stolon::launcher::reach_fault_point(name);             \
	} while (false)
#else
inline void enable_fault_points(const std::string &) {}
#define FAULT_POINT(name) static_assert(::stolon::launcher::is_fault_point(name))
#endif

}  // namespace stolon::launcher
