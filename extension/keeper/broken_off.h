// A promotion that was broken off by a crash restart.
#pragma once

namespace stolon::pg {

/// To be called in the postmaster, before recovery begins after a crash of one of its children.
/// PostgreSQL removes standby.signal before it begins the new timeline. In between, recovery would
/// begin as a primary's and go on on the predecessor's timeline, on which that one may have written
/// more. The launcher sees to it when the whole server has ended; here the postmaster lives on.
/// Puts the file back, so that the server stays a standby, which is promoted anew.
void put_broken_off_promotion_right();

}  // namespace stolon::pg
