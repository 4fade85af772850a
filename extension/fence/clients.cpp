#include "extension/fence/clients.h"

#include <csignal>

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

bool is_client(const PGPROC &process) {
	// Physical walsenders and auxiliary processes have no database; autovacuum has one, and
	// nobody whom it answers to.
	return process.pid != 0 && OidIsValid(process.databaseId) && !process.isBackgroundWorker &&
	       !is_autovacuum_worker(process);
}

}  // namespace

int terminate_clients() {
	int signalled = 0;
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++) {
		const PGPROC &process = ProcGlobal->allProcs[i];
		const pid_t pid = process.pid;
		if (!is_client(process) || process.wait_event_info == fence_wait_event() ||
		    pid == MyProcPid)
			continue;
		if (kill(pid, SIGTERM) == 0)
			signalled++;
	}
	return signalled;
}

}  // namespace stolon::pg
