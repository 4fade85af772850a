// Makes the database of a new cluster, beside PGDATA, and moves it there when it is complete.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/model/info.h"
#include "core/model/spec.h"
#include "launcher/data_dir.h"

namespace stolon::launcher {

struct InitDbJob {
	Paths paths;
	Identity identity;
	core::DataState state;  ///< what the new directory is
	std::string bin_path;   ///< of PostgreSQL's programs
	core::ClusterSpec spec;
	std::string superuser;
	std::string superuser_password_file;  ///< "": no password
	std::string replication_user;
	std::string replication_password_file;
	bool create_extension = true;  ///< only tests of the steps before switch it off
};

/// Blocks; for a task of its own. Can be repeated after an interruption at any point.
core::Status run_initdb(const InitDbJob &job);

}  // namespace stolon::launcher
