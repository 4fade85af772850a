// What a proxy brings to its goal: a pgbouncer of its own (bouncer.h) or one that others have
// started (attached.h).
#pragma once

#include <vector>

#include "proxy-hook/driver.h"
#include "proxy-hook/include.h"

namespace stolon::proxy {

class Target {
public:
	virtual ~Target() = default;

	/// Writes the file ahead of a goal that will soon be set, which saves the disk's time then.
	virtual void prepare(const std::vector<core::Backend> &backends) = 0;
	virtual void set_goal(BouncerGoal goal) = 0;
	/// Lets the process read its configuration and the users again. One that holds clients back
	/// does so when it serves next.
	virtual void reload() = 0;
	/// The operator's settings have changed: a reload() with them.
	virtual void set_included(const Included &included) = 0;
	/// Does what is due; returns when it must be called again at the latest.
	virtual core::Instant step(core::Instant now) = 0;
	/// The goal is in force. (Clients queue in Hold also when there is no process.)
	virtual bool reached() const = 0;
	/// In Hold: the last transaction has ended.
	virtual bool is_drained() const = 0;
	/// This program ends; step() until is_stopped().
	virtual void stop() = 0;
	virtual bool is_stopped() const = 0;
};

}  // namespace stolon::proxy
