// The two-way guard between C++ and PostgreSQL's longjmp. An ereport must not skip a C++
// destructor, and an exception must not reach a C frame of the server.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "extension/bridge/pg.h"

namespace stolon::pg {

/// A PostgreSQL error that was caught on its way through C++.
class PgError : public std::runtime_error {
public:
	PgError(int sqlstate, const std::string &message)
	    : std::runtime_error(message), sqlstate_(sqlstate) {}
	int sqlstate() const { return sqlstate_; }

private:
	int sqlstate_;
};

/// What of an error is kept once PostgreSQL's error state has been flushed. No destructor: it lives
/// across a longjmp.
struct CaughtError {
	bool caught;
	int sqlstate;
	char message[512];
};

/// Copies the error that is being handled into `out` and clears the error state. Only in a worker
/// that is in no transaction.
void keep_error(MemoryContext context, CaughtError *out) noexcept;

/// Calls `body`, which may ereport, and turns an ERROR into PgError. Nothing with a destructor may
/// live inside `body`, and its captures must be references or plain values. Not inside a
/// transaction: the error is swallowed, not rolled back.
template <typename Body>
void guarded(Body &&body) {
	CaughtError error = {};
	MemoryContext context = CurrentMemoryContext;
	PG_TRY();
	{ body(); }
	PG_CATCH();
	{ keep_error(context, &error); }
	PG_END_TRY();
	if (error.caught)
		throw PgError(error.sqlstate, error.message);
}

}  // namespace stolon::pg
