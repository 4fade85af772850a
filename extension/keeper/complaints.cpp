#include "extension/keeper/complaints.h"

#include <cstring>

namespace stolon::pg {

namespace {

emit_log_hook_type previous_hook = nullptr;

bool is_about_the_stream(const ErrorData &error) {
	// A walreceiver that is asked to end says so at the same level.
	if (in_walreceiver())
		return error.elevel >= ERROR && error.sqlerrcode != ERRCODE_ADMIN_SHUTDOWN;
	// A new timeline that this server cannot go to is only worth a LOG line to the startup process.
	return in_startup_process() && error.message_id != nullptr &&
	       strncmp(error.message_id, "new timeline ", strlen("new timeline ")) == 0;
}

// In a process that is about to end: no allocation, nothing that could fail.
void note(const ErrorData &error) {
	SharedState *state = shared_state();
	StreamComplaint complaint = {};
	complaint.at_ns = boottime_ns();
	complaint.unreachable =
	    error.message_id != nullptr &&
	    strstr(error.message_id, "could not connect to the primary server") != nullptr;
	strlcpy(complaint.text, error.message, sizeof complaint.text);
	// libpq explains itself over several lines.
	complaint.text[strcspn(complaint.text, "\r\n")] = '\0';
	SpinLockAcquire(&state->mutex);
	state->stream_complaint = complaint;
	SpinLockRelease(&state->mutex);
}

void on_log(ErrorData *error) {
	if (shared_state() != nullptr && error->message != nullptr && is_about_the_stream(*error))
		note(*error);
	if (previous_hook)
		previous_hook(error);
}

}  // namespace

void install_complaint_hook() {
	previous_hook = emit_log_hook;
	emit_log_hook = on_log;
}

StreamComplaint last_stream_complaint() {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	const StreamComplaint complaint = state->stream_complaint;
	SpinLockRelease(&state->mutex);
	return complaint;
}

}  // namespace stolon::pg
