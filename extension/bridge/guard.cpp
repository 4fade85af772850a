#include "extension/bridge/guard.h"

namespace stolon::pg {

void keep_error(MemoryContext context, CaughtError *out) noexcept {
	// There is no transaction whose abort would do this.
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	if (MyReplicationSlot != nullptr)
		release_physical_slot();
	MemoryContextSwitchTo(context);
	ErrorData *data = CopyErrorData();
	FlushErrorState();
	out->caught = true;
	out->sqlstate = data->sqlerrcode;
	strlcpy(out->message, data->message ? data->message : "unknown error", sizeof out->message);
	FreeErrorData(data);
}

}  // namespace stolon::pg
