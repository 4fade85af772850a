// Why a data directory was replaced. It is told in the directory itself, because it is reported
// later, when nobody else may know it any more.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/base/types.h"

namespace stolon::launcher {

struct Replaced {
	core::DbUid db;  ///< whose data they were; empty: nothing tells
	/// The view wanted them to be cloned anew (core::Db::clone_anew): there may be two timelines of
	/// one number, and no comparison of histories tells what of them is nowhere else.
	bool cloned_anew = false;
	/// A rewind of them was interrupted. They are neither what they were nor a copy of the master.
	bool half_rewound = false;
};

constexpr const char *replaced_file = "stolon.replaced";

/// Writes that into the directory, durably; before it is set aside.
core::Status note_replaced(const std::string &directory, const Replaced &why);

/// What was noted there; nothing of it without a note. Unavailable: it cannot be read.
core::Result<Replaced> why_replaced(const std::string &directory);

}  // namespace stolon::launcher
