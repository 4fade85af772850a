// One launcher per data directory, and none of its predecessor's tasks.
#pragma once

#include "core/base/result.h"
#include "launcher/paths.h"
#include "launcher/process.h"

namespace stolon::launcher {

struct DataDirLock {
	Fd directory;  ///< of this launcher alone; not passed on to any child
	Fd tasks;      ///< passed on to tasks and what they start
};

/// Makes the data directory if it is not there, checks that it is ours alone, and locks it. What a
/// task of a killed launcher has left at work there is killed. Fails with one sentence when another
/// launcher is there, or when what was left does not end.
core::Result<DataDirLock> take_data_dir(const Paths &paths);

}  // namespace stolon::launcher
