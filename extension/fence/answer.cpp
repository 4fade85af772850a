#include "extension/fence/answer.h"

#include <cstdio>

#include "extension/bridge/settings.h"
#include "extension/fence/passage.h"

namespace stolon::pg {

namespace {

const PQcommMethods *previous_methods = nullptr;
PQcommMethods gated_methods = {};
WalReceiverFunctionsType *previous_functions = nullptr;
WalReceiverFunctionsType gated_functions = {};

// What the statement that is being answered rests on. Nothing tells of a portal whose rows were
// stored when it was run first, of an error before anything has begun, nor of a command of the
// replication protocol: those are unmarked, and need the lease.
enum class Mark { None, Exempt, Lease };

struct Answer {
	Mark mark;
	bool reads_only;
	bool row_by_row;
	// A commit has happened, and what acknowledges it has not been put into the buffer yet.
	bool commit_is_unacknowledged;
	// It lies there; whatever sends the buffer sends it.
	bool acknowledgement_in_buffer;
};
Answer answer = {};

bool sends_logical_changes() {
	return am_walsender && MyReplicationSlot != nullptr && SlotIsLogical(MyReplicationSlot);
}

bool is_physical_walsender() {
	return am_walsender && !am_db_walsender;
}

bool needs_lease() {
	return answer.mark == Mark::Lease || (answer.mark == Mark::None && !is_physical_walsender());
}

bool reads_only() {
	return answer.mark != Mark::Lease || answer.reads_only;
}

bool may_be_stale() {
	return reads_only() && setting_allow_stale_reads;
}

void pass_answer() {
	if (answer.commit_is_unacknowledged || (answer.mark == Mark::None && am_db_walsender))
		acknowledge_or_never();
	else if (needs_lease())
		pass_or_refuse(reads_only());
}

void end_statement() {
	answer.mark = Mark::None;
	answer.reads_only = answer.row_by_row = false;
}

// Protocol: "Message Formats" in PostgreSQL's documentation.
void pass_message(char type) {
	switch (type) {
		case 'C':  // CommandComplete
		case 's':  // PortalSuspended
		case 'V':  // FunctionCallResponse
			pass_answer();
			break;
		case 'D':  // DataRow
			if (answer.row_by_row || answer.mark == Mark::None)
				pass_answer();
			break;
		case 'd':  // CopyData
			if (sends_logical_changes())
				pass_or_refuse(false);
			else if (answer.row_by_row)
				pass_answer();
			break;
		case 'A':  // NotificationResponse: tells of a commit that may never be acknowledged
			pass_or_end_session();
			break;
		case 'Z':  // ReadyForQuery: of a pipeline's implicit transaction, the acknowledgement
			if (answer.commit_is_unacknowledged)
				acknowledge_or_never();
			break;
		default:
			break;
	}
}

// ---- Errors and notices tell of the data, too: what exists already, what a RAISE was given.

// The value of a field of an ErrorResponse or NoticeResponse, "" when it is not there.
const char *field(char code, const char *text, size_t length) {
	const char *end = text + length;
	while (text < end && *text != '\0') {
		if (*text == code)
			return text + 1;
		text += strnlen(text, static_cast<size_t>(end - text)) + 1;
	}
	return "";
}

bool tells_of_data(const char *text, size_t length) {
	// Class 57 is about the server and the session: cancelled, terminated, refused by a gate.
	return strcmp(field('V', text, length), "ERROR") == 0 &&
	       strncmp(field('C', text, length), "57", 2) != 0;
}

// In place of an error that must not be told. Raw, since it stands in the middle of a report.
int put_refusal() {
	char text[512];
	const int length = std::snprintf(
	    text, sizeof text,
	    "SERROR%cVERROR%cC57P03%cMthis server does not hold the master's lease of cluster \"%s\"%c"
	    "DThe statement failed; the server's log tells why.%c",
	    0, 0, 0, setting_cluster_name, 0, 0);
	// The message ends with one more NUL, which snprintf has written.
	return previous_methods->putmessage('E', text, static_cast<size_t>(length) + 1);
}

// ---- What the server calls

// True: the message goes out as it is. Before it has a PGPROC, a process answers nothing.
bool before_message(char type) {
	if (likely(MyProc == nullptr || !must_not_answer()))
		return true;
	pass_message(type);
	if (answer.acknowledgement_in_buffer && must_not_answer())
		never_acknowledge();
	return type != 'N' || !needs_lease() || may_be_stale() || !must_not_answer();
}

void after_message(char type) {
	if (type != 'C' && type != 's' && type != 'Z')
		return;
	// In a pipeline CommandComplete comes before the commit, and ReadyForQuery behind it.
	if (type != 's' && answer.commit_is_unacknowledged) {
		answer.commit_is_unacknowledged = false;
		answer.acknowledgement_in_buffer = true;
	}
	end_statement();
}

bool must_be_replaced(char type, const char *text, size_t length) {
	return type == 'E' && MyProc != nullptr && must_not_answer() && needs_lease() &&
	       !may_be_stale() && tells_of_data(text, length);
}

int put_message(char type, const char *text, size_t length) {
	if (!before_message(type))
		return 0;
	if (must_be_replaced(type, text, length))
		return put_refusal();
	after_message(type);
	return previous_methods->putmessage(type, text, length);
}

void put_message_noblock(char type, const char *text, size_t length) {
	if (!before_message(type))
		return;
	after_message(type);
	previous_methods->putmessage_noblock(type, text, length);
}

int flush() {
	if (unlikely(answer.acknowledgement_in_buffer) && must_not_answer())
		never_acknowledge();
	const int failed = previous_methods->flush();
	if (failed == 0)
		answer.acknowledgement_in_buffer = false;
	return failed;
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
	gated_methods.flush = flush;
	gated_methods.putmessage = put_message;
	gated_methods.putmessage_noblock = put_message_noblock;
	PqCommMethods = &gated_methods;
}

void answer_needs_lease(bool reads_only, bool row_by_row) {
	answer.reads_only = reads_only && (answer.reads_only || answer.mark != Mark::Lease);
	answer.row_by_row = answer.row_by_row || row_by_row;
	answer.mark = Mark::Lease;
}

void answer_is_exempt() {
	if (answer.mark == Mark::None)
		answer.mark = Mark::Exempt;
}

void answer_acknowledges_commit() {
	answer.commit_is_unacknowledged = true;
}

void send_acknowledgement() {
	if (unlikely(answer.acknowledgement_in_buffer) && MyProcPort != nullptr)
		pq_flush();
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
