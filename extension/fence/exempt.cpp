#include "extension/fence/exempt.h"

namespace stolon::pg {

namespace {

// stolon's functions live in C, in this library; nobody but a superuser can make another one of
// that kind.
bool is_stolon_function(HeapTuple tuple, Form_pg_proc function) {
	if (function->prolang != ClanguageId)
		return false;
	bool is_null = false;
	const Datum library = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &is_null);
	if (is_null)
		return false;
	char *path = TextDatumGetCString(library);
	const char *base = strrchr(path, '/');
	const bool same = strcmp(base ? base + 1 : path, "stolon") == 0;
	pfree(path);
	return same;
}

// Stable functions may tell of catalogs and other sessions; these do not.
bool tells_nothing(Oid function) {
	return function == F_NOW || function == F_INTERVAL_IN || function == F_INTERVAL_OUT ||
	       function == F_TEXTANYCAT || function == F_ANYTEXTCAT;
}

// `shows_stolon` (a bool) becomes true when one of stolon's own functions is called.
bool calls_for_data(Oid function_oid, void *shows_stolon) {
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	if (!HeapTupleIsValid(tuple))
		return true;
	auto *function = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
	const bool builtin_and_pure =
	    function->prolang == INTERNALlanguageId &&
	    (function->provolatile == PROVOLATILE_IMMUTABLE || tells_nothing(function_oid));
	const bool own = is_stolon_function(tuple, function);
	if (own)
		*static_cast<bool *>(shows_stolon) = true;
	const bool harmless = builtin_and_pure || own;
	ReleaseSysCache(tuple);
	return !harmless;
}

bool reaches_for_data(Node *node, void *context) {
	if (node == nullptr)
		return false;
	if (IsA(node, SubPlan) || IsA(node, NextValueExpr))
		return true;
	if (check_functions_in_node(node, calls_for_data, context))
		return true;
	return walk_expression(node, reaches_for_data, context);
}

bool range_table_is_harmless(const PlannedStmt *statement) {
	ListCell *cell;
	foreach (cell, statement->rtable) {
		auto *entry = static_cast<RangeTblEntry *>(lfirst(cell));
		if (entry->rtekind != RTE_FUNCTION && entry->rtekind != RTE_RESULT)
			return false;
	}
	return true;
}

}  // namespace

bool is_own_function(Oid function_oid) {
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	if (!HeapTupleIsValid(tuple))
		return false;
	const bool own = is_stolon_function(tuple, reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple)));
	ReleaseSysCache(tuple);
	return own;
}

bool is_exempt_query(const PlannedStmt *statement) {
	if (!is_read_only_query(statement) || statement->subplans != NIL ||
	    !range_table_is_harmless(statement))
		return false;
	const Plan *plan = statement->planTree;
	if (plan->lefttree != nullptr || plan->righttree != nullptr)
		return false;
	// A bare "SELECT 1" is refused: health checks would take the answer for a sign of health.
	bool shows_stolon = false;
	if (reaches_for_data(reinterpret_cast<Node *>(plan->targetlist), &shows_stolon) ||
	    reaches_for_data(reinterpret_cast<Node *>(plan->qual), &shows_stolon))
		return false;
	const void *rest = nullptr;
	if (IsA(plan, FunctionScan))
		rest = reinterpret_cast<const FunctionScan *>(plan)->functions;
	else if (IsA(plan, Result))
		rest = reinterpret_cast<const Result *>(plan)->resconstantqual;
	else
		return false;
	return !reaches_for_data(static_cast<Node *>(const_cast<void *>(rest)), &shows_stolon) &&
	       shows_stolon;
}

bool is_exempt_utility(const Node *statement) {
	switch (nodeTag(statement)) {
		case T_TransactionStmt: {
			const TransactionStmtKind kind =
			    reinterpret_cast<const TransactionStmt *>(statement)->kind;
			return kind != TRANS_STMT_COMMIT_PREPARED && kind != TRANS_STMT_ROLLBACK_PREPARED;
		}
		case T_VariableShowStmt:
		case T_VariableSetStmt:
		case T_DeallocateStmt:
		case T_ClosePortalStmt:
		case T_PrepareStmt:
		case T_UnlistenStmt:
			return true;
		default:
			return false;
	}
}

bool is_read_only_query(const PlannedStmt *statement) {
	return statement->commandType == CMD_SELECT && !statement->hasModifyingCTE &&
	       statement->rowMarks == NIL;
}

bool is_read_only_utility(const Node *statement) {
	switch (nodeTag(statement)) {
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ExecuteStmt:
		case T_ExplainStmt:
			// What they run passes the executor's gate on its own.
			return true;
		case T_CopyStmt:
			return !reinterpret_cast<const CopyStmt *>(statement)->is_from;
		default:
			return false;
	}
}

}  // namespace stolon::pg
