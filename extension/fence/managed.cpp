#include "extension/fence/managed.h"

#include <cstring>

#include "core/model/spec.h"
#include "extension/bridge/settings.h"

namespace stolon::pg {

namespace {

// Sessions may set these, so an administrator may set them for all.
bool is_session_setting(const char *name) {
	return pg_strcasecmp(name, "stolon.fence_wait") == 0 ||
	       pg_strcasecmp(name, "stolon.allow_stale_reads") == 0;
}

// No exception may leave this library; without memory, the careful answer is yes.
bool is_managed(const char *name) noexcept {
	if (pg_strcasecmp(name, "shared_preload_libraries") == 0 ||
	    pg_strcasecmp(name, "wal_level") == 0)
		return true;
	try {
		return core::is_managed_pg_parameter(name) && !is_session_setting(name);
	} catch (...) {
		return true;
	}
}

}  // namespace

void refuse_managed_parameter(const Node *statement) {
	if (!IsA(statement, AlterSystemStmt) || !is_member())
		return;
	const VariableSetStmt *setting = reinterpret_cast<const AlterSystemStmt *>(statement)->setstmt;
	const bool sets = setting->kind == VAR_SET_VALUE || setting->kind == VAR_SET_CURRENT;
	if (sets && setting->name != nullptr && is_managed(setting->name))
		ereport(ERROR,
		        (errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM),
		         errmsg("parameter \"%s\" is managed by stolon", setting->name),
		         errhint("Change the cluster's spec with stolonctl; what it needs, stolon writes "
		                 "into stolon.conf of every server.")));
}

}  // namespace stolon::pg
