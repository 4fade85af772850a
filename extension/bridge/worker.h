// What both background workers share: start-up, the one wait, and the store that they talk to.
#pragma once

#include <memory>

#include "store/store.h"

namespace stolon::pg {

/// Sets signal handlers and unblocks signals. First thing in a worker's main.
void begin_worker();

/// Registers a static worker that is started with the postmaster and restarted after a second.
void register_worker(const char *name, const char *function);

/// A connection to the store as the settings say; throws std::runtime_error with one sentence.
std::unique_ptr<store::Store> open_store_of_settings();

/// Waits until the latch is set, the store has something, or `until`; then lets the store work.
/// Exits the process when the postmaster has died. Reads the configuration again after SIGHUP.
/// False: the worker shall end.
bool wait_and_process(store::Store &store, core::Instant until);

/// Runs `body` as a worker's main: an exception is logged and ends the process so that the
/// postmaster starts it again; nothing C++ is left on the stack when that happens. Does not return.
[[noreturn]] void run_worker(const char *name, void (*body)());

}  // namespace stolon::pg
