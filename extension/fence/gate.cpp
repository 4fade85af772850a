#include "extension/fence/gate.h"

#include "extension/bridge/settings.h"
#include "extension/fence/answer.h"
#include "extension/fence/exempt.h"
#include "extension/fence/lease.h"
#include "extension/fence/managed.h"
#include "extension/fence/passage.h"

namespace stolon::pg {

namespace {

ExecutorStart_hook_type previous_executor_start = nullptr;
ExecutorRun_hook_type previous_executor_run = nullptr;
ProcessUtility_hook_type previous_utility = nullptr;
object_access_hook_type previous_object_access = nullptr;

struct Transaction {
	// A statement has passed its gate on the strength of the lease. What it has done may not show
	// as a transaction id yet (NOTIFY takes one while it commits).
	bool needs_lease;
	bool reads_only;
	// Something was done that no error can take back: COMMIT PREPARED has decided the fate of
	// another transaction, DROP DATABASE has removed files. Only the acknowledgement is left to be
	// refused.
	bool is_irrevocable;
};
Transaction transaction = {};

bool has_written() {
	return TransactionIdIsValid(GetTopTransactionIdIfAny());
}

// Nobody is left to be told anything by a process that is ending (it may still drop its temporary
// tables).
bool is_ending() {
	return proc_exit_inprogress;
}

void pass_commit() {
	if (transaction.is_irrevocable || likely(may_acknowledge()) || is_ending())
		return;
	if (transaction.needs_lease || has_written())
		pass_or_refuse(transaction.reads_only && !has_written());
}

// Whether somebody may go by it that this transaction has been committed: also when it has no id,
// because it has only written elsewhere.
bool commit_matters() {
	return has_written() || transaction.is_irrevocable ||
	       (transaction.needs_lease && !transaction.reads_only);
}

void on_transaction(XactEvent event, void *) {
	switch (event) {
		case XACT_EVENT_PRE_COMMIT:
			if (MyBackendType == B_BG_WORKER)
				gate_reports_to_publisher();
			[[fallthrough]];
		case XACT_EVENT_PRE_PREPARE:
			pass_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			if (commit_matters() && !is_ending()) {
				acknowledge_or_never();
				answer_acknowledges_commit();
			}
			transaction = {};
			break;
		case XACT_EVENT_ABORT:
			transaction = {};
			break;
		default:
			break;
	}
}

// The callback that was registered last is called first. Other libraries commit elsewhere in
// theirs (postgres_fdw, which registers when it is first used), which must come behind the gate.
// Only from within a statement: not while the callbacks are being called.
void be_called_first() {
	if (ActivePortal == nullptr)
		return;
	UnregisterXactCallback(on_transaction, nullptr);
	RegisterXactCallback(on_transaction, nullptr);
}

// The gate of every statement that is not exempt.
void begin_statement(bool reads_only, bool row_by_row) {
	send_acknowledgement();
	if (pass_or_refuse(reads_only)) {
		answer_is_exempt();
		return;
	}
	if (!transaction.needs_lease)
		be_called_first();
	transaction.reads_only = reads_only && (transaction.reads_only || !transaction.needs_lease);
	transaction.needs_lease = true;
	answer_needs_lease(reads_only, row_by_row);
}

// What can wait for a lock between two of its rows.
bool takes_locks(const PlannedStmt *statement) {
	return statement->rowMarks != NIL || statement->commandType != CMD_SELECT ||
	       statement->hasModifyingCTE;
}

// While the lease is valid nothing is exempt: that would have to be found out for every statement.
void pass_query(const QueryDesc *query) {
	const PlannedStmt *statement = query->plannedstmt;
	if (likely(may_acknowledge()) || !is_exempt_query(statement))
		begin_statement(is_read_only_query(statement), takes_locks(statement));
	else
		answer_is_exempt();
}

void on_executor_start(QueryDesc *query, int flags) {
	pass_query(query);
	if (previous_executor_start)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

// A portal is run again and again: by FETCH, and by a client that asks for a number of rows.
void on_executor_run(QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once) {
	pass_query(query);
	if (previous_executor_run)
		previous_executor_run(query, direction, count, execute_once);
	else
		standard_ExecutorRun(query, direction, count, execute_once);
}

bool ends_transaction(const Node *statement) {
	if (!IsA(statement, TransactionStmt) || IsAbortedTransactionBlockState())
		return false;
	const TransactionStmtKind kind = reinterpret_cast<const TransactionStmt *>(statement)->kind;
	return kind == TRANS_STMT_COMMIT || kind == TRANS_STMT_PREPARE;
}

// What acts on files, on other transactions or on other servers before its own transaction commits.
bool cannot_be_taken_back(const Node *statement, ProcessUtilityContext context) {
	// Some of them may stand in a block, and then do nothing of the kind.
	if (context != PROCESS_UTILITY_TOPLEVEL || IsTransactionBlock() || !is_gated_process())
		return false;
	switch (nodeTag(statement)) {
		case T_TransactionStmt: {
			const TransactionStmtKind kind =
			    reinterpret_cast<const TransactionStmt *>(statement)->kind;
			return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
		}
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
		case T_AlterSystemStmt:
			return true;
		default:
			return false;
	}
}

#if PG_VERSION_NUM >= 140000
#define STOLON_UTILITY_PARAMETERS                                                                 \
	PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context, \
	    ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,                  \
	    QueryCompletion *completion
#define STOLON_UTILITY_ARGUMENTS \
	statement, text, read_only_tree, context, params, environment, dest, completion
#else
#define STOLON_UTILITY_PARAMETERS                                                                  \
	PlannedStmt *statement, const char *text, ProcessUtilityContext context, ParamListInfo params, \
	    QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion
#define STOLON_UTILITY_ARGUMENTS statement, text, context, params, environment, dest, completion
#endif

void pass_utility(const Node *statement) {
	refuse_managed_parameter(statement);
	send_acknowledgement();
	if (is_exempt_utility(statement))
		answer_is_exempt();
	else
		begin_statement(is_read_only_utility(statement), false);
	if (ends_transaction(statement))
		pass_commit();
}

void on_utility(STOLON_UTILITY_PARAMETERS) {
	const Node *tree = statement->utilityStmt;
	const bool is_irrevocable = cannot_be_taken_back(tree, context);
	pass_utility(tree);
	if (is_irrevocable)
		transaction.is_irrevocable = true;
	if (previous_utility)
		previous_utility(STOLON_UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(STOLON_UTILITY_ARGUMENTS);
	if (is_irrevocable)
		answer_acknowledges_commit();
}

// A function call of the fast-path protocol is no statement: nothing but this hook and the answer
// tells of it. It has no text, and runs in no portal.
bool is_fastpath_call() {
	return debug_query_string == nullptr && ActivePortal == nullptr && MyProcPort != nullptr &&
	       IsTransactionState();
}

void pass_call(Oid function) {
	if (likely(may_acknowledge()) || !is_own_function(function))
		begin_statement(false, false);
	else
		answer_is_exempt();
}

void on_object_access(ObjectAccessType access, Oid class_oid, Oid object, int sub, void *argument) {
	if (access == OAT_FUNCTION_EXECUTE && is_fastpath_call())
		pass_call(object);
	if (previous_object_access)
		previous_object_access(access, class_oid, object, sub, argument);
}

}  // namespace

void install_gates() {
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = on_executor_start;
	previous_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = on_executor_run;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_utility;
	previous_object_access = object_access_hook;
	object_access_hook = on_object_access;
	RegisterXactCallback(on_transaction, nullptr);
	install_answer_gate();
}

bool is_fenced() {
	return is_member() && shared_state() != nullptr && !lease_valid() && !RecoveryInProgress();
}

}  // namespace stolon::pg
