#include "extension/switchover/desk.h"

#include "core/model/switchover_request.h"
#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

using core::Instant;

// A session waits for longer than all of this together.
constexpr auto put_timeout = core::seconds(2);
constexpr auto read_patience = core::seconds(2);
constexpr auto newer_patience = core::seconds(2);
constexpr int max_attempts = 5;

template <std::size_t N>
void copy(char (&to)[N], const std::string &from) {
	strlcpy(to, from.c_str(), N);
}

core::KeeperUid keeper_of(const core::ClusterData &data, const core::DbUid &uid) {
	const core::Db *db = data.find_db(uid);
	return db ? db->keeper : core::KeeperUid();
}

core::Switchover begun_by(const SwitchoverOrder &order) {
	core::Switchover switchover;
	switchover.id = order.id;
	switchover.to = core::KeeperUid{order.to};
	switchover.timeout = core::milliseconds(order.timeout_ms);
	if (order.scheduled)
		switchover.at = core::WallTime{order.at_unix_ms};
	return switchover;
}

}  // namespace

SwitchoverDesk::SwitchoverDesk(store::Store &store, store::Mirror &mirror, core::Keys keys)
    : store_(store), mirror_(mirror), keys_(std::move(keys)) {
	disown_taken_order();
}

Instant SwitchoverDesk::wake_at() const {
	switch (state_) {
		case State::WaitingFor:
			return since_ + newer_patience;
		case State::Reading:
			return since_ + read_patience;
		default:
			return store::Mirror::never;
	}
}

void SwitchoverDesk::poll(Instant now, const DeskView &view) {
	try {
		look(now, view);
	} catch (const std::exception &error) {
		// Before anything is sent; what is sent ends in its callback.
		answer(SwitchoverVerdict::Refused, error.what());
	}
	show(view);
}

void SwitchoverDesk::look(Instant now, const DeskView &view) {
	switch (state_) {
		case State::Idle:
			if (!take_order(&order_))
				return;
			attempts_ = 0;
			since_ = now;
			attempt(now, view);
			return;
		case State::Sent:
			return;
		case State::WaitingFor:
			if (view.revision != tried_revision_)
				attempt(now, view);
			else if (now >= wake_at())
				answer(SwitchoverVerdict::Refused, why_nothing_newer());
			return;
		case State::Reading:
			conclude_read(now, view);
			return;
	}
}

void SwitchoverDesk::attempt(Instant now, const DeskView &view) {
	tried_revision_ = view.revision;
	// A worker that has just started has none yet.
	if (!mirror_.ready() || !*view.data) {
		state_ = State::WaitingFor;
		return;
	}
	if ((*view.data)->cluster_uid != view.cluster_uid) {
		answer(SwitchoverVerdict::Refused, "the store describes another cluster");
		return;
	}
	const bool leads = mirror_.find(keys_.sentinel_leader()) != nullptr;
	const auto data =
	    order_.ask == SwitchoverAsk::Begin
	        ? core::with_switchover(**view.data, begun_by(order_), leads, store::wall_now())
	        : core::with_cancelled_switchover(**view.data, order_.id);
	if (!data) {
		answer(SwitchoverVerdict::Refused, data.error().message);
		return;
	}
	wanted_ = *data->switchover;
	instead_of_ = (*view.data)->switchover ? (*view.data)->switchover->id : "";
	put(now, *data);
}

void SwitchoverDesk::put(Instant now, const core::ClusterData &data) {
	store::TxnRequest request;
	request.compares = {{store::Compare::Field::ModRevision, keys_.clusterdata(), tried_revision_}};
	request.then_ops = {store::Op::put(keys_.clusterdata(), core::clusterdata_to_text(data))};
	state_ = State::Sent;
	since_ = now;
	attempts_++;
	store_.txn(std::move(request), put_timeout,
	           [this](const core::Result<store::TxnResponse> &result) { put_answered(result); });
}

void SwitchoverDesk::put_answered(const core::Result<store::TxnResponse> &result) {
	since_ = store_.clock();
	if (result && result->succeeded) {
		answer(SwitchoverVerdict::Put, "");
	} else if (result && attempts_ < max_attempts) {
		state_ = State::WaitingFor;
	} else if (result) {
		answer(SwitchoverVerdict::Refused, "the cluster changes all the time; try again");
	} else if (result.error().kind == core::ErrorKind::Unknown) {
		// It may have been put all the same.
		problem_ = result.error().message;
		state_ = State::Reading;
		mirror_.refresh();
	} else {
		answer(SwitchoverVerdict::Refused, "the store: " + result.error().message);
	}
}

std::string SwitchoverDesk::why_nothing_newer() const {
	const std::string problem = mirror_.problem();
	if (!problem.empty())
		return "the store: " + problem;
	return attempts_ > 0 ? "the cluster changed at the same time; try again"
	                     : "this server has no view of the cluster";
}

void SwitchoverDesk::conclude_read(Instant now, const DeskView &view) {
	const bool is_read = mirror_.fresh_at() > since_;
	const auto &present = *view.data ? (*view.data)->switchover : std::nullopt;
	if (is_read && present && present->id == wanted_.id && present->cancel == wanted_.cancel)
		answer(SwitchoverVerdict::Put, "");
	else if (is_read && view.revision != tried_revision_ &&
	         (present ? present->id : "") == instead_of_)
		// What was compared is gone: a transaction that is still on its way changes nothing.
		answer(SwitchoverVerdict::Refused, "the cluster changed at the same time; try again");
	else if (now >= wake_at())
		answer(SwitchoverVerdict::Unknown, "the store: " + problem_);
}

void SwitchoverDesk::answer(SwitchoverVerdict verdict, const std::string &reason) {
	SwitchoverAnswer answer = {};
	answer.verdict = verdict;
	copy(answer.id, wanted_.id.empty() ? std::string(order_.id) : wanted_.id);
	copy(answer.reason, reason);
	wanted_ = {};
	state_ = State::Idle;
	answer_order(answer);
}

void SwitchoverDesk::show(const DeskView &view) const {
	SwitchoverSight sight = {};
	sight.known_at_ns = static_cast<uint64>(mirror_.fresh_at().since_boot.count());
	if (*view.data && (*view.data)->switchover) {
		const core::ClusterData &data = **view.data;
		const core::Switchover &present = *data.switchover;
		sight.is_there = true;
		copy(sight.id, present.id);
		sight.phase = present.phase;
		copy(sight.to, present.to.value);
		copy(sight.target, keeper_of(data, present.target).value);
		sight.scheduled = present.at.has_value();
		sight.at_unix_ms = present.at ? present.at->unix_ms : 0;
		copy(sight.reason, present.reason);
	}
	show_switchover(sight);
}

}  // namespace stolon::pg
