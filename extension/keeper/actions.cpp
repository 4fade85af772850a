#include "extension/keeper/actions.h"

#include <csignal>
#include <stdexcept>

#include "extension/bridge/guard.h"
#include "store/files.h"

namespace stolon::pg {

namespace {

// Relative to the data directory, which is every server process' working directory.
constexpr const char *state_file = "stolon.state";
constexpr const char *configuration_file = "stolon.conf";
constexpr unsigned private_mode = 0600;

void require(const core::Status &status) {
	if (!status)
		throw std::runtime_error(status.error().message);
}

}  // namespace

core::DataState read_data_state() {
	const auto text = store::read_small_file(state_file);
	if (!text)
		throw std::runtime_error(text.error().message +
		                         "; a data directory of this cluster is made by stolon-launcher, "
		                         "which writes this file");
	const auto state = core::parse_data_state(*text);
	if (!state)
		throw std::runtime_error(std::string(state_file) + " is damaged: " + state.error().message);
	return *state;
}

void write_data_state(const core::DataState &state) {
	require(
	    store::write_file_atomically(state_file, core::data_state_to_text(state), private_mode));
}

void write_configuration(const std::string &text) {
	require(store::write_file_atomically(configuration_file, text, private_mode));
	if (kill(PostmasterPid, SIGHUP) != 0)
		throw std::runtime_error("could not signal the postmaster to read its configuration");
}

void request_promotion() {
	require(store::write_file_atomically(PROMOTE_SIGNAL_FILE, "", private_mode));
	if (kill(PostmasterPid, SIGUSR1) != 0)
		throw std::runtime_error("could not signal the postmaster to promote");
}

void request_checkpoint() {
	guarded([] { RequestCheckpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE); });
}

}  // namespace stolon::pg
