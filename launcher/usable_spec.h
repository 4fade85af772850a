// Keeps a bad parameter of the spec from keeping a server down.
#pragma once

#include <string>
#include <vector>

#include "core/model/spec.h"

namespace stolon::launcher {

struct UsableSpec {
	core::ClusterSpec spec;             ///< without the pgParameters that PostgreSQL refuses
	std::vector<std::string> left_out;  ///< their names
};

/// Has PostgreSQL itself (`postgres -C`, which reads its settings and ends) judge the pgParameters:
/// all at once, and only if that fails one by one; its reasons then stand in our log. What can be
/// judged only by a server that starts, such as the size of its memory, is not found here. When
/// PostgreSQL refuses even to look, for what other files say, nothing is left out.
UsableSpec usable_spec(const std::string &bin_path, const std::string &pgdata,
                       const core::ClusterSpec &spec);

}  // namespace stolon::launcher
