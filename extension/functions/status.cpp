// stolon.status() and stolon.lease_remaining(). They read shared memory only, so that they answer
// on a fenced server as well.
#include "extension/bridge/settings.h"
#include "extension/fence/describe.h"
#include "extension/fence/gate.h"
#include "extension/fence/lease.h"

#include "extension/bridge/pg.h"

namespace stolon::pg {

namespace {

constexpr int status_columns = 11;

bool has_fence() {
	return is_member() && shared_state() != nullptr;
}

Datum remaining_interval() {
	auto *interval = static_cast<Interval *>(palloc0(sizeof(Interval)));
	interval->time = static_cast<TimeOffset>(lease_remaining_ns() / 1000);
	return IntervalPGetDatum(interval);
}

const char *role_name(const SharedCopy &shared) {
	if (RecoveryInProgress())
		return "standby";
	if (shared.mandate.active)
		return "master";
	return is_lost(shared.reason) ? "replaced" : "unconfirmed";
}

void fill_status(const SharedCopy &shared, Datum *values, bool *nulls) {
	const bool standby = RecoveryInProgress();
	const bool fenced = is_fenced();
	char reason[512];
	describe_fence(shared, reason, sizeof reason);
	values[0] = CStringGetTextDatum(setting_cluster_name);
	values[1] = CStringGetTextDatum(setting_keeper_uid);
	values[2] = CStringGetTextDatum(shared.own_db);
	nulls[2] = shared.own_db[0] == '\0';
	values[3] = CStringGetTextDatum(role_name(shared));
	const uint64 epoch = shared.mandate.active ? shared.mandate.epoch : shared.successor_epoch;
	values[4] = Int64GetDatum(static_cast<int64>(epoch));
	nulls[4] = epoch == 0;
	values[5] = Int64GetDatum(static_cast<int64>(shared.view_generation));
	nulls[5] = shared.view_generation == 0;
	values[6] = BoolGetDatum(lease_valid());
	values[7] = remaining_interval();
	nulls[7] = standby;
	values[8] = BoolGetDatum(fenced);
	values[9] = CStringGetTextDatum(reason);
	nulls[9] = !fenced;
	values[10] = CStringGetTextDatum(shared.unfit);
	nulls[10] = shared.unfit[0] == '\0';
}

}  // namespace

}  // namespace stolon::pg

extern "C" {

PG_FUNCTION_INFO_V1(stolon_status);
PGDLLEXPORT Datum stolon_status(PG_FUNCTION_ARGS) {
	using namespace stolon::pg;
	TupleDesc descriptor;
	if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Datum values[status_columns] = {};
	bool nulls[status_columns] = {};
	if (has_fence()) {
		fill_status(copy_shared_state(), values, nulls);
	} else {
		// Loaded, but no cluster is configured: nothing is fenced and there is nothing to tell.
		for (int i = 0; i < status_columns; i++)
			nulls[i] = true;
		values[3] = CStringGetTextDatum("none");
		nulls[3] = false;
		values[8] = BoolGetDatum(false);
		nulls[8] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

PG_FUNCTION_INFO_V1(stolon_lease_remaining);
PGDLLEXPORT Datum stolon_lease_remaining(PG_FUNCTION_ARGS) {
	using namespace stolon::pg;
	(void)fcinfo;
	if (!has_fence() || RecoveryInProgress())
		PG_RETURN_NULL();
	return remaining_interval();
}
}
