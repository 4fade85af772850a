#include "extension/keeper/slots.h"

#include "extension/bridge/guard.h"

namespace stolon::pg {

namespace {

constexpr int max_slots = 256;
constexpr const char *slot_prefix = "stolon_";
constexpr std::size_t db_digits = 8;

struct SlotList {
	int count;
	struct {
		char name[NAMEDATALEN];
		int sender;
		bool lost;
		bool holds_xmin;
		XLogRecPtr restart;
	} slots[max_slots];
};

bool is_ours(const char *name) {
	const std::size_t prefix = strlen(slot_prefix);
	return strncmp(name, slot_prefix, prefix) == 0 && strlen(name) == prefix + db_digits &&
	       strspn(name + prefix, "0123456789abcdef") == db_digits;
}

void list_slots(SlotList *out) {
	out->count = 0;
	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && out->count < max_slots; i++) {
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
		const char *name = NameStr(slot->data.name);
		if (!slot->in_use || slot->data.database != InvalidOid || !is_ours(name))
			continue;
		auto &entry = out->slots[out->count++];
		strlcpy(entry.name, name, sizeof entry.name);
		SpinLockAcquire(&slot->mutex);
		entry.sender = slot->active_pid;
		entry.lost = is_lost_slot(*slot);
		entry.holds_xmin = TransactionIdIsValid(slot->data.xmin);
		entry.restart = slot->data.restart_lsn;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(ReplicationSlotControlLock);
}

void drop_half_made(const char *name) {
	try {
		guarded([name] { ReplicationSlotDrop(name, true); });
	} catch (const PgError &) {
		// It did not come so far.
	}
}

}  // namespace

bool slots_are_loaded() {
	// The startup process sets it after it has read them.
	return GetRedoRecPtr() != InvalidXLogRecPtr;
}

std::vector<core::LocalSlot> local_slots() {
	static SlotList list;  // plain data, too large for the stack of a guarded call
	guarded([] { list_slots(&list); });
	std::vector<core::LocalSlot> slots;
	for (int i = 0; i < list.count; i++) {
		const auto &entry = list.slots[i];
		slots.push_back({entry.name, entry.sender != 0, entry.sender, core::Lsn{entry.restart},
		                 entry.lost, entry.holds_xmin});
	}
	return slots;
}

void create_slot(const core::NewSlot &slot) {
	const char *name = slot.name.c_str();
	const char *like = slot.like.empty() ? nullptr : slot.like.c_str();
	try {
		guarded([name, like] { create_physical_slot(name, like); });
	} catch (const PgError &error) {
		// One that exists and keeps nothing would be taken for a good one.
		if (error.sqlstate() != ERRCODE_DUPLICATE_OBJECT)
			drop_half_made(name);
		throw;
	}
}

void drop_slot(const std::string &name) {
	const char *text = name.c_str();
	guarded([text] { ReplicationSlotDrop(text, true); });
}

void advance_slot(const core::SlotAdvance &advance) {
	const char *name = advance.name.c_str();
	const XLogRecPtr to = advance.to.value;
	guarded([name, to] { advance_physical_slot(name, to); });
}

}  // namespace stolon::pg
