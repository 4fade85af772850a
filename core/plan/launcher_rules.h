// What the rules of the launcher plan share, and where each group of them is. Only launcher_*.cpp
// use it.
#pragma once

#include <optional>
#include <string>

#include "core/plan/launcher_plan.h"

namespace stolon::core::launching {

using Action = LauncherAction;
using MaybeDecision = std::optional<LauncherDecision>;

LauncherDecision decide(Action action, const char *rule, std::string text);
LauncherDecision wait(const char *rule, std::string text, std::optional<Instant> until = {});
LauncherDecision wait_for_store(const LauncherInputs &in, const char *rule);
LauncherDecision start_standby(const char *rule, DbUid follow, std::string text);

bool is_up(const LauncherInputs &in);
/// The view was read after the last postmaster had ended.
bool view_is_fresh(const LauncherInputs &in);
/// The store did not answer since the last postmaster's end, and it was given the time for it.
bool store_is_silent(const LauncherInputs &in);

/// L-05: what only the operator can put right.
MaybeDecision refuse_directory(const LauncherInputs &in);

/// L-04: what a stop that is under way needs next (launcher_running.cpp).
LauncherDecision stopping(const LauncherInputs &in);
/// L-07, L-08, L-09, L-21, L-24: a server is up (launcher_running.cpp).
MaybeDecision while_up(const LauncherInputs &in);

/// L-14, L-15, L-16, L-22: the directory does not hold what the view wants (launcher_data.cpp).
LauncherDecision other_data(const LauncherInputs &in, const Db &wanted);
/// L-17 .. L-20, L-26: the directory holds what the view wants, and nothing runs
/// (launcher_start.cpp).
LauncherDecision start(const LauncherInputs &in, const Db &wanted);

}  // namespace stolon::core::launching
