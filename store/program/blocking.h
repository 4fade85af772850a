// The store for a program that has nothing else to do: calls that return when they are done.
#pragma once

#include "store/store.h"

namespace stolon::program {

/// The call's own deadline bounds the wait.
store::Result<store::RangeResponse> range_and_wait(store::Store &store, store::RangeRequest request,
                                                   store::Duration timeout);
store::Result<store::TxnResponse> txn_and_wait(store::Store &store, store::TxnRequest request,
                                               store::Duration timeout);

}  // namespace stolon::program
