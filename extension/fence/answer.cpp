#include "extension/fence/answer.h"

#include "extension/fence/passage.h"

namespace stolon::pg {

namespace {

const PQcommMethods *previous_methods = nullptr;
PQcommMethods gated_methods = {};
WalReceiverFunctionsType *previous_functions = nullptr;
WalReceiverFunctionsType gated_functions = {};

// What the answer that this process is preparing rests on; until the next ReadyForQuery.
struct Answer {
	bool needs_lease;
	bool reads_only;
	bool row_by_row;
	bool acknowledges_commit;
};
Answer answer = {};

bool sends_logical_changes() {
	return am_walsender && MyReplicationSlot != nullptr && SlotIsLogical(MyReplicationSlot);
}

void pass_answer() {
	if (answer.acknowledges_commit)
		acknowledge_or_never();
	else if (answer.needs_lease)
		pass_or_refuse(answer.reads_only);
}

// Protocol: "Message Formats" in PostgreSQL's documentation.
void pass_message(char type) {
	switch (type) {
		case 'C':  // CommandComplete
		case 'V':  // FunctionCallResponse
			pass_answer();
			break;
		case 'D':  // DataRow
			if (answer.row_by_row)
				pass_answer();
			break;
		case 'Z':  // ReadyForQuery: of a pipeline's implicit transaction, the acknowledgement
			if (answer.acknowledges_commit)
				acknowledge_or_never();
			break;
		case 'A':  // NotificationResponse: tells of a commit that may never be acknowledged
			pass_or_end_session();
			break;
		case 'd':  // CopyData
			if (sends_logical_changes())
				pass_or_refuse(false);
			break;
		default:
			break;
	}
}

void before_message(char type) {
	if (unlikely(!may_acknowledge()))
		pass_message(type);
	if (type == 'Z')
		answer = {};
}

int put_message(char type, const char *text, size_t length) {
	before_message(type);
	return previous_methods->putmessage(type, text, length);
}

void put_message_noblock(char type, const char *text, size_t length) {
	before_message(type);
	previous_methods->putmessage_noblock(type, text, length);
}

// The publisher forgets what it is told to be safe here.
void report_to_publisher(WalReceiverConn *connection, const char *buffer, int length) {
	pass_or_refuse(false);
	(previous_functions->walrcv_send)(connection, buffer, length);  // also the name of a macro
}

}  // namespace

void install_answer_gate() {
	previous_methods = PqCommMethods;
	gated_methods = *previous_methods;
	gated_methods.putmessage = put_message;
	gated_methods.putmessage_noblock = put_message_noblock;
	PqCommMethods = &gated_methods;
}

void answer_needs_lease(bool reads_only, bool row_by_row) {
	answer.reads_only = reads_only && (answer.reads_only || !answer.needs_lease);
	answer.needs_lease = true;
	answer.row_by_row = answer.row_by_row || row_by_row;
}

void answer_acknowledges_commit() {
	answer.acknowledges_commit = true;
}

void gate_reports_to_publisher() {
	if (previous_functions != nullptr || WalReceiverFunctions == nullptr || !IsLogicalWorker())
		return;
	previous_functions = WalReceiverFunctions;
	gated_functions = *previous_functions;
	gated_functions.walrcv_send = report_to_publisher;
	WalReceiverFunctions = &gated_functions;
}

}  // namespace stolon::pg
