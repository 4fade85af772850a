// The library's entry: settings, shared memory, hooks and workers.
#include "extension/bridge/settings.h"
#include "extension/bridge/worker.h"
#include "extension/fence/gate.h"
#include "extension/fence/shared.h"
#include "extension/keeper/complaints.h"

#include "extension/bridge/pg.h"

extern "C" {

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void) {
	using namespace stolon::pg;
	if (!process_shared_preload_libraries_in_progress) {
		// In single-user mode (where a new cluster's extension is created) and in a binary upgrade
		// there is nothing to fence.
		if (IsUnderPostmaster && !IsBinaryUpgrade)
			ereport(ERROR,
			        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			         errmsg("stolon must be loaded through shared_preload_libraries"),
			         errhint("Add stolon to shared_preload_libraries and restart the server.")));
		return;
	}
	define_settings();
	if (!IsPostmasterEnvironment || IsBinaryUpgrade || setting_cluster_name[0] == '\0')
		return;
	if (const char *problem = missing_setting())
		ereport(FATAL, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("stolon: %s", problem),
		                errhint("The launcher writes these settings into stolon.conf.")));
	make_postmaster_instance();
	request_shared_state();
	install_gates();
	install_complaint_hook();
	register_worker("stolon lease worker", "stolon_lease_main");
	register_worker("stolon keeper worker", "stolon_keeper_main");
}
}
