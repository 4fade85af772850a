// Why a standby does not stream: the walreceiver says it only in the server's log, before it ends.
#pragma once

#include "extension/fence/shared.h"

namespace stolon::pg {

/// Called in _PG_init: from now on the complaints of this server's walreceivers are noted.
void install_complaint_hook();

/// The last one.
StreamComplaint last_stream_complaint();

}  // namespace stolon::pg
