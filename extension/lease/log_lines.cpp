#include "extension/lease/log_lines.h"

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

// False when there is none.
bool take_log_line(LogLine *line) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	LogLines &lines = state->log_lines;
	const bool found = lines.read < lines.left;
	if (found)
		*line = lines.line[lines.read++ % LogLines::kept];
	SpinLockRelease(&state->mutex);
	return found;
}

}  // namespace

void leave_log_line(const char *message, const char *detail) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	LogLines &lines = state->log_lines;
	LogLine &line = lines.line[lines.left++ % LogLines::kept];
	strlcpy(line.message, message, sizeof line.message);
	strlcpy(line.detail, detail, sizeof line.detail);
	if (lines.left - lines.read > LogLines::kept)
		lines.read = lines.left - LogLines::kept;
	SpinLockRelease(&state->mutex);
	wake(&SharedState::keeper_latch);
}

void write_left_log_lines() {
	LogLine line;
	while (take_log_line(&line))
		ereport(LOG, (errmsg("stolon: %s", line.message),
		              line.detail[0] != '\0' ? errdetail("%s", line.detail) : 0));
}

}  // namespace stolon::pg
