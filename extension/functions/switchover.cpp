// stolon.switchover(), stolon.switchover_cancel() and stolon.switchover_status(). A session leaves
// its order in shared memory and follows what the keeper worker shows there: no session talks to
// the store. What leaves a function on its way out says whether the operation goes on without it.
#include "core/base/time.h"
#include "core/model/switchover_request.h"
#include "extension/bridge/settings.h"
#include "extension/fence/shared.h"

#include "extension/bridge/pg.h"

namespace stolon::pg {

namespace {

using core::SwitchoverPhase;

constexpr int64 ns_per_ms = 1000000;
constexpr int64 us_per_ms = 1000;
// The keeper worker goes round its loop at least every second.
constexpr int64 untaken_bound_ms = 5 * 1000;
// Longer than the worker tries (extension/switchover/desk.cpp).
constexpr int64 unanswered_bound_ms = 15 * 1000;
constexpr int64 worker_stall_ms = 15 * 1000;
constexpr long wait_slice_ms = 1000;
constexpr int64 epoch_difference_us =
    (static_cast<int64>(POSTGRES_EPOCH_JDATE) - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

constexpr const char *status_hint =
    "stolon.switchover_status() on any member, or \"stolonctl status\", tells its outcome.";

int64 now_ms() {
	return static_cast<int64>(boottime_ns() / ns_per_ms);
}

void require_cluster(const char *function) {
	if (!is_member() || shared_state() == nullptr)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("%s: this server is not a member of a stolon cluster", function)));
}

// ---- Waiting

/// What this session is waiting for, for what it says when it is made to leave.
struct Wait {
	uint64 ticket;  ///< of the order that is not answered yet; 0: none
	const char *id;
	bool is_operation;  ///< `id` is, or may be, in the store
};

/// A session that is asked to leave says first what becomes of the operation.
void check_for_interrupts(Wait *wait) {
	if (!ProcDiePending && !QueryCancelPending) {
		CHECK_FOR_INTERRUPTS();
		return;
	}
	if (wait->ticket != 0) {
		wait->is_operation = !withdraw_order(wait->ticket) && wait->id[0] != '\0';
		wait->ticket = 0;
	}
	if (ProcDiePending && wait->is_operation)
		ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN),
		                errmsg("terminating connection due to administrator command"),
		                errdetail("Switchover %s goes on without this session.", wait->id),
		                errhint("%s", status_hint)));
	if (wait->is_operation)
		ereport(WARNING, (errmsg("switchover %s goes on without this session", wait->id),
		                  errhint("%s stolon.switchover_cancel() ends it.", status_hint)));
	CHECK_FOR_INTERRUPTS();
}

/// Until something has changed, or for a moment. To be called in a loop that looks before.
void wait_for_news(Wait *wait, int64 until_ms) {
	const int64 left = Max(until_ms - now_ms(), 1);
	(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
	                static_cast<long>(Min(left, wait_slice_ms)), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	check_for_interrupts(wait);
}

/// To be woken by what comes from now on.
void listen() {
	ConditionVariablePrepareToSleep(&shared_state()->switchover_changed);
}

// ---- Handing over

void withdraw_on_error(int, Datum ticket) {
	(void)withdraw_order(static_cast<uint64>(DatumGetInt64(ticket)));
}

uint64 leave_when_free(const SwitchoverOrder &order) {
	const int64 until = now_ms() + unanswered_bound_ms;
	Wait wait = {0, "", false};
	for (;;) {
		listen();
		if (const uint64 ticket = leave_order(order))
			return ticket;
		if (now_ms() >= until)
			ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			                errmsg("another session of this server is asking for a switchover"),
			                errdetail("Nothing has been asked for.")));
		wait_for_news(&wait, until);
	}
}

[[noreturn]] void report_unanswered(const SwitchoverOrder &order, bool never_taken) {
	if (never_taken)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the keeper worker of this server does not take the request"),
		                errdetail("Nothing has been asked for."),
		                errhint("The server's log may say why. Ask on another member, or use "
		                        "\"stolonctl switchover\".")));
	ereport(ERROR, (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
	                errmsg("it is not known whether the request was put: the keeper worker of this "
	                       "server does not answer"),
	                order.id[0] == '\0' ? 0 : errdetail("It is for switchover %s.", order.id),
	                errhint("%s", status_hint)));
	pg_unreachable();
}

OrderState wait_for_answer(const SwitchoverOrder &order, uint64 ticket, SwitchoverAnswer *answer) {
	const int64 asked_at = now_ms();
	Wait wait = {ticket, order.id, false};
	for (;;) {
		listen();
		const OrderState state = look_at_order(ticket, answer);
		if (state == OrderState::Answered || state == OrderState::Free)
			return state;
		const int64 until =
		    asked_at + (state == OrderState::Asked ? untaken_bound_ms : unanswered_bound_ms);
		if (now_ms() >= until)
			report_unanswered(order, withdraw_order(ticket));
		wait_for_news(&wait, until);
	}
}

/// Returns once the order stands in clusterdata; otherwise reports an error.
SwitchoverAnswer hand_over(const SwitchoverOrder &order) {
	const uint64 ticket = leave_when_free(order);
	SwitchoverAnswer answer = {};
	const Datum argument = Int64GetDatum(static_cast<int64>(ticket));
	PG_ENSURE_ERROR_CLEANUP(withdraw_on_error, argument);
	{ (void)wait_for_answer(order, ticket, &answer); }
	PG_END_ENSURE_ERROR_CLEANUP(withdraw_on_error, argument);
	ConditionVariableCancelSleep();
	(void)withdraw_order(ticket);
	if (answer.verdict == SwitchoverVerdict::Unknown)
		ereport(ERROR,
		        (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
		         errmsg("it is not known whether the request was put: %s", answer.reason),
		         errdetail("It is for switchover %s.", answer.id), errhint("%s", status_hint)));
	if (answer.verdict == SwitchoverVerdict::Refused)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s", answer.reason)));
	return answer;
}

// ---- Following

/// The steps that have begun since, also those that were over before we looked.
void show_steps(SwitchoverPhase phase, SwitchoverPhase *shown) {
	const SwitchoverPhase known = core::last_known_step(phase, *shown);
	while (*shown < known) {
		*shown = static_cast<SwitchoverPhase>(static_cast<int>(*shown) + 1);
		ereport(NOTICE, (errmsg("%s", core::sentence_of_step(*shown))));
	}
}

/// Why following makes no sense any more; nullptr: it does.
const char *reason_to_leave(const SwitchoverSight &sight, const char *id, bool seen,
                            int64 changed_ms, int64 bound_ms) {
	if (seen && strcmp(sight.id, id) != 0)
		return "another switchover was asked for meanwhile";
	const uint64 moved = pg_atomic_read_u64(&shared_state()->keeper_moved_ns) / ns_per_ms;
	if (now_ms() - static_cast<int64>(moved) > worker_stall_ms)
		return "the keeper worker of this server does not move";
	if (now_ms() - changed_ms > bound_ms)
		return "nothing has happened for a long time";
	return nullptr;
}

/// Until the operation is over, or has come to the step `leave_at`. What is returned is of that
/// operation.
SwitchoverSight follow(const char *id, int64 timeout_ms, SwitchoverPhase leave_at) {
	const int64 bound_ms = timeout_ms + core::to_ms(core::SwitchoverLimits::step_grace);
	SwitchoverPhase shown = SwitchoverPhase::Requested;
	SwitchoverPhase phase = SwitchoverPhase::Requested;
	int64 changed_ms = now_ms();
	bool seen = false;
	Wait wait = {0, id, true};
	for (;;) {
		listen();
		const SwitchoverSight sight = switchover_sight();
		if (const char *why = reason_to_leave(sight, id, seen, changed_ms, bound_ms))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s", why),
			                errdetail("Switchover %s goes on without this session.", id),
			                errhint("%s", status_hint)));
		if (strcmp(sight.id, id) == 0) {
			seen = true;
			show_steps(sight.phase, &shown);
			if (core::is_outcome(sight.phase) || sight.phase >= leave_at) {
				ConditionVariableCancelSleep();
				return sight;
			}
			if (sight.phase != phase)
				changed_ms = now_ms();
			phase = sight.phase;
		}
		wait_for_news(&wait, changed_ms + bound_ms);
	}
}

// ---- Arguments

void random_id(char *id, std::size_t size) {
	uint64 value = 0;
	if (!pg_strong_random(&value, sizeof value))
		ereport(ERROR, (errmsg("could not generate random values")));
	pg_snprintf(id, size, "%016llx", static_cast<unsigned long long>(value));
}

// No exception and nothing with a destructor leaves it.
bool is_keeper_uid(const char *text, char *problem, std::size_t size) noexcept {
	try {
		const auto uid = core::KeeperUid::parse(text);
		if (uid)
			return true;
		strlcpy(problem, uid.error().message.c_str(), size);
	} catch (...) {
		strlcpy(problem, "out of memory", size);
	}
	return false;
}

void take_target(text *argument, SwitchoverOrder *order) {
	const char *target = text_to_cstring(argument);
	char problem[256];
	if (!is_keeper_uid(target, problem, sizeof problem))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", problem)));
	strlcpy(order->to, target, sizeof order->to);
}

void take_timeout(const Interval *timeout, SwitchoverOrder *order) {
	const int64 lowest = core::to_ms(core::SwitchoverLimits::min_timeout);
	const int64 highest = core::to_ms(core::SwitchoverLimits::max_timeout);
	const int64 ms = timeout->time / us_per_ms;
	if (timeout->month != 0 || timeout->day != 0 || ms < lowest || ms > highest)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the timeout must be from 100 ms to 1 hour")));
	order->timeout_ms = ms;
}

void take_time(TimestampTz at, SwitchoverOrder *order) {
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the time of a switchover must be finite")));
	order->scheduled = true;
	order->at_unix_ms = (at + epoch_difference_us) / us_per_ms;
}

// The proxies wait for the end of this transaction before the master is stopped.
void refuse_in_block() {
	if (IsTransactionBlock() || IsSubTransaction())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
		                errmsg("stolon.switchover() cannot run inside a transaction block on the "
		                       "master"),
		                errdetail("The switchover would wait for the end of this transaction.")));
}

// ---- Results

Datum make_row(FunctionCallInfo fcinfo, const char *id, const char *state, const char *reason) {
	TupleDesc descriptor;
	if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Datum values[3] = {CStringGetTextDatum(id), CStringGetTextDatum(state),
	                   CStringGetTextDatum(reason)};
	bool nulls[3] = {};
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

Datum make_outcome(FunctionCallInfo fcinfo, const SwitchoverSight &sight, SwitchoverPhase wanted) {
	if (!core::is_outcome(sight.phase))
		return make_row(fcinfo, sight.id, "under way",
		                "this session is on the master that is to be stopped; "
		                "stolon.switchover_status() on any member tells the outcome");
	if (sight.phase != wanted)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("switchover %s is %s: %s", sight.id, core::to_string(sight.phase),
		                       sight.reason)));
	return make_row(fcinfo, sight.id, core::to_string(wanted), sight.reason);
}

Datum time_of(const SwitchoverSight &sight) {
	return TimestampTzGetDatum(sight.at_unix_ms * us_per_ms - epoch_difference_us);
}

/// When everything that was in the store then was known here.
Datum known_at(const SwitchoverSight &sight) {
	const int64 age_us = static_cast<int64>(boottime_ns() - sight.known_at_ns) / 1000;
	return TimestampTzGetDatum(GetCurrentTimestamp() - age_us);
}

}  // namespace

}  // namespace stolon::pg

extern "C" {

PG_FUNCTION_INFO_V1(stolon_switchover);
PGDLLEXPORT Datum stolon_switchover(PG_FUNCTION_ARGS) {
	using namespace stolon::pg;
	require_cluster("stolon.switchover()");
	SwitchoverOrder order = {};
	order.ask = SwitchoverAsk::Begin;
	if (!PG_ARGISNULL(0))
		take_target(PG_GETARG_TEXT_PP(0), &order);
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the timeout of a switchover cannot be null")));
	take_timeout(PG_GETARG_INTERVAL_P(1), &order);
	if (!PG_ARGISNULL(2))
		take_time(PG_GETARG_TIMESTAMPTZ(2), &order);
	const bool on_master = !RecoveryInProgress();
	if (on_master && !order.scheduled)
		refuse_in_block();
	random_id(order.id, sizeof order.id);
	(void)hand_over(order);
	if (order.scheduled)
		PG_RETURN_DATUM(make_row(fcinfo, order.id, "scheduled",
		                         "stolon.switchover_status() tells the outcome"));
	ereport(NOTICE, (errmsg("switchover %s is requested", order.id)));
	// The transaction of a session that came through a proxy would keep it from pausing.
	const auto leave_at = on_master ? SwitchoverPhase::Pause : SwitchoverPhase::Done;
	const SwitchoverSight sight = follow(order.id, order.timeout_ms, leave_at);
	PG_RETURN_DATUM(make_outcome(fcinfo, sight, SwitchoverPhase::Done));
}

PG_FUNCTION_INFO_V1(stolon_switchover_cancel);
PGDLLEXPORT Datum stolon_switchover_cancel(PG_FUNCTION_ARGS) {
	using namespace stolon::pg;
	require_cluster("stolon.switchover_cancel()");
	SwitchoverOrder order = {};
	order.ask = SwitchoverAsk::Cancel;
	if (!PG_ARGISNULL(0)) {
		const char *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
		if (!stolon::core::is_switchover_id(id))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			                errmsg("the id of a switchover has 16 hexadecimal digits")));
		strlcpy(order.id, id, sizeof order.id);
	}
	const SwitchoverAnswer answer = hand_over(order);
	const SwitchoverSight sight = follow(answer.id, 0, SwitchoverPhase::Done);
	PG_RETURN_DATUM(make_outcome(fcinfo, sight, SwitchoverPhase::Cancelled));
}

PG_FUNCTION_INFO_V1(stolon_switchover_status);
PGDLLEXPORT Datum stolon_switchover_status(PG_FUNCTION_ARGS) {
	using namespace stolon::pg;
	require_cluster("stolon.switchover_status()");
	TupleDesc descriptor;
	if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	constexpr int columns = 7;
	Datum values[columns] = {};
	bool nulls[columns];
	for (bool &null : nulls)
		null = true;
	const SwitchoverSight sight = switchover_sight();
	const auto set = [&](int column, Datum value) {
		values[column] = value;
		nulls[column] = false;
	};
	if (sight.is_there) {
		set(0, CStringGetTextDatum(sight.id));
		set(1, CStringGetTextDatum(stolon::core::to_string(sight.phase)));
		set(2, BoolGetDatum(stolon::core::is_outcome(sight.phase)));
		if (sight.target[0] != '\0' || sight.to[0] != '\0')
			set(3, CStringGetTextDatum(sight.target[0] != '\0' ? sight.target : sight.to));
		if (sight.scheduled)
			set(4, time_of(sight));
		if (sight.reason[0] != '\0')
			set(5, CStringGetTextDatum(sight.reason));
	}
	if (sight.known_at_ns != 0)
		set(6, known_at(sight));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
}
