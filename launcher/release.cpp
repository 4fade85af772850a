#include "launcher/release.h"

#include <utility>

namespace stolon::launcher {

namespace {

constexpr core::Duration pause_after_failure = core::milliseconds(100);

/// What cannot be read is as good as absent: nothing is released then.
void set_master(LeaseView &view, const std::string &text, std::int64_t revision) {
	auto key = core::parse_master_key(text);
	view.master = key.ok() ? *key : core::MasterKey();
	view.master_revision = key.ok() ? revision : 0;
}

void set_beat(LeaseView &view, const std::string &text, std::int64_t revision) {
	auto beat = core::parse_beat(text);
	view.beat = beat.ok() ? *beat : core::Beat();
	view.beat_revision = beat.ok() ? revision : 0;
}

bool is_of(const LeaseView &view, const core::DbUid &db) {
	return !db.empty() && view.master_revision != 0 && view.master.db == db &&
	       view.beat_revision != 0 && view.beat.db == db &&
	       view.beat.master_revision == view.master_revision;
}

}  // namespace

Releaser::Releaser(store::Store &store, core::Keys keys, core::KeeperUid keeper)
    : store_(store), keys_(std::move(keys)), keeper_(std::move(keeper)) {}

void Releaser::observe(const store::Mirror &mirror) {
	// A store that was restored goes back; what was read after the transaction's answer counts
	// then.
	if (!mirror.ready() ||
	    (mirror.revision() < view_.revision && mirror.fresh_at() <= answered_at_))
		return;
	LeaseView view;
	view.revision = mirror.revision();
	if (const auto *entry = mirror.find(keys_.master()))
		set_master(view, entry->value, entry->mod_revision);
	if (const auto *entry = mirror.find(keys_.beat(keeper_)))
		set_beat(view, entry->value, entry->mod_revision);
	view_ = std::move(view);
}

bool Releaser::is_needed(const core::DbUid &db) const {
	return is_of(view_, db) && !view_.beat.released;
}

core::WalPosition Releaser::told(const core::DbUid &db) const {
	const bool tells = view_.beat_revision != 0 && view_.beat.db == db && view_.beat.writable;
	return tells && view_.beat.position.lsn.valid() ? view_.beat.position : core::WalPosition();
}

std::int64_t Releaser::released_revision(const core::DbUid &db) const {
	return is_of(view_, db) && view_.beat.released ? view_.beat_revision : 0;
}

void Releaser::release(const core::DbUid &db, const ServerEnd &end, core::Duration timeout,
                       core::Instant now, std::function<void()> done) {
	if (in_flight_ || !is_needed(db) || (retry_at_ && now < *retry_at_))
		return;
	core::Beat released = view_.beat;
	released.released = true;
	released.reason = end.reason;
	released.found_down = end.found_down;
	if (end.clean_end) {
		released.clean = true;
		released.position = *end.clean_end;
	}
	const std::string beat_key = keys_.beat(keeper_);
	using store::Compare;
	using store::Op;
	store::TxnRequest request;
	request.compares = {
	    Compare{Compare::Field::ModRevision, keys_.master(), view_.master_revision},
	    Compare{Compare::Field::ModRevision, beat_key, view_.beat_revision},
	};
	request.then_ops = {Op::put(beat_key, core::beat_to_text(released))};
	// A beat that was still on its way, or an answer of ours that was lost: seen here.
	request.else_ops = {Op::get(keys_.master()), Op::get(beat_key)};
	in_flight_ = true;
	retry_at_.reset();
	store_.txn(std::move(request), timeout,
	           [this, released, done = std::move(done)](core::Result<store::TxnResponse> result) {
		           in_flight_ = false;
		           answered_at_ = store_.clock();
		           if (result.ok())
			           answered(*result, released);
		           else
			           failed(result.error());
		           done();
	           });
}

void Releaser::answered(const store::TxnResponse &response, const core::Beat &released) {
	if (response.succeeded) {
		view_.revision = response.revision;
		view_.beat = released;
		view_.beat_revision = response.revision;
		last_outcome_ = "released";
		return;
	}
	LeaseView view;
	view.revision = response.revision;
	if (response.results.size() == 2) {
		for (const auto &kv : response.results[0])
			set_master(view, kv.value, kv.mod_revision);
		for (const auto &kv : response.results[1])
			set_beat(view, kv.value, kv.mod_revision);
	}
	last_outcome_ = "not released: master or beat have changed";
	if (view.revision >= view_.revision)
		view_ = std::move(view);
}

void Releaser::failed(const core::Error &error) {
	// Unknown or not, the next one is guarded by the same revisions, and reads when they are gone.
	last_outcome_ = "not released: " + error.message;
	retry_at_ = store_.clock() + pause_after_failure;
}

}  // namespace stolon::launcher
