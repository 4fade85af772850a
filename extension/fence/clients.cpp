#include "extension/fence/clients.h"

#include <csignal>

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

bool is_client(const PGPROC &process) {
	// Physical walsenders and auxiliary processes have no database; autovacuum has one, and
	// nobody whom it answers to.
	return OidIsValid(process.databaseId) && !process.isBackgroundWorker &&
	       !is_autovacuum_worker(process);
}

}  // namespace

int terminate_clients() {
	int signalled = 0;
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++) {
		const PGPROC &process = ProcGlobal->allProcs[i];
		// Read once: a place that is being taken must not turn it into "my own process group".
		const pid_t pid = *const_cast<volatile const int *>(&process.pid);
		if (pid == 0 || pid == MyProcPid || !is_client(process) ||
		    process.wait_event_info == fence_wait_event())
			continue;
		if (kill(pid, SIGTERM) == 0)
			signalled++;
	}
	return signalled;
}

}  // namespace stolon::pg
