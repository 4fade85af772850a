#include "extension/switchover/mailbox.h"

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

class Locked {
public:
	Locked() { SpinLockAcquire(&shared_state()->mutex); }
	~Locked() { SpinLockRelease(&shared_state()->mutex); }
	Locked(const Locked &) = delete;
	Locked &operator=(const Locked &) = delete;
	SwitchoverMailbox *operator->() const { return &shared_state()->switchover; }
};

void wake_sessions() {
	ConditionVariableBroadcast(&shared_state()->switchover_changed);
}

bool says_the_same(const SwitchoverSight &one, const SwitchoverSight &other) {
	return one.is_there == other.is_there && strcmp(one.id, other.id) == 0 &&
	       one.phase == other.phase && strcmp(one.target, other.target) == 0 &&
	       strcmp(one.reason, other.reason) == 0;
}

}  // namespace

uint64 leave_order(const SwitchoverOrder &order) {
	uint64 ticket = 0;
	{
		const Locked mailbox;
		if (mailbox->state == OrderState::Free) {
			ticket = ++mailbox->ticket;
			mailbox->state = OrderState::Asked;
			mailbox->abandoned = false;
			mailbox->order = order;
		}
	}
	if (ticket != 0)
		wake(&SharedState::keeper_latch);
	return ticket;
}

OrderState look_at_order(uint64 ticket, SwitchoverAnswer *answer) {
	const Locked mailbox;
	if (mailbox->ticket != ticket)
		return OrderState::Free;
	*answer = mailbox->answer;
	return mailbox->state;
}

bool withdraw_order(uint64 ticket) {
	bool in_time = false;
	{
		const Locked mailbox;
		if (mailbox->ticket != ticket || mailbox->state == OrderState::Free)
			return false;
		in_time = mailbox->state == OrderState::Asked;
		if (mailbox->state == OrderState::Taken)
			mailbox->abandoned = true;
		else
			mailbox->state = OrderState::Free;
	}
	wake_sessions();
	return in_time;
}

SwitchoverSight switchover_sight() {
	const Locked mailbox;
	return mailbox->sight;
}

bool take_order(SwitchoverOrder *order) {
	const Locked mailbox;
	if (mailbox->state != OrderState::Asked)
		return false;
	mailbox->state = OrderState::Taken;
	*order = mailbox->order;
	return true;
}

void answer_order(const SwitchoverAnswer &answer) {
	{
		const Locked mailbox;
		mailbox->answer = answer;
		mailbox->state = mailbox->abandoned ? OrderState::Free : OrderState::Answered;
	}
	wake_sessions();
}

void disown_taken_order() {
	SwitchoverAnswer answer = {};
	bool taken = false;
	{
		const Locked mailbox;
		taken = mailbox->state == OrderState::Taken;
		strlcpy(answer.id, mailbox->order.id, sizeof answer.id);
	}
	if (!taken)
		return;
	answer.verdict = SwitchoverVerdict::Unknown;
	strlcpy(answer.reason, "the keeper worker was restarted meanwhile", sizeof answer.reason);
	answer_order(answer);
}

void show_switchover(const SwitchoverSight &sight) {
	bool news = false;
	{
		const Locked mailbox;
		news = !says_the_same(mailbox->sight, sight);
		mailbox->sight = sight;
	}
	if (news)
		wake_sessions();
}

}  // namespace stolon::pg
