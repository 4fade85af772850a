// How a server ended, from what it has left in pg_control and in its WAL.
#pragma once

#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/base/types.h"
#include "launcher/wal_shape.h"

namespace stolon::launcher {

/// Where the WAL of a primary that was shut down cleanly ends: behind the shutdown checkpoint,
/// which is the last record that it has written. nullopt: it did not end so, or nothing certain can
/// be told. Only to be called when no process of the server is left.
std::optional<core::WalPosition> clean_end(const std::string &bin_path, const std::string &pgdata);

/// Up to where a server that is down has WAL for certain: its last checkpoint, or the place up to
/// which a standby has to recover. There may be much more (end_of_wal). Invalid: it cannot be told.
core::WalPosition last_position(const std::string &bin_path, const std::string &pgdata);
core::WalPosition last_position_in(const std::string &control_data);

/// The same from the output of pg_controldata (LC_ALL=C).
std::optional<core::WalPosition> clean_end_in(const std::string &control_data,
                                              const std::string &pgdata);

/// What pg_control says of a server that is down.
struct ControlData {
	bool clean = false;            ///< it was shut down, as a primary or in recovery
	bool standby = false;          ///< it ended in archive recovery: as a standby
	core::Timeline timeline;       ///< on which it ended
	core::WalPosition checkpoint;  ///< where the last checkpoint's record begins
	WalShape shape;
};
core::Result<ControlData> read_control_file(const std::string &bin_path, const std::string &pgdata);

}  // namespace stolon::launcher
