// What stolonctl does, one function per command. Each returns the exit code; results go to stdout,
// one sentence to stderr says why it failed.
#pragma once

#include <string>

#include "store/program/program.h"

namespace stolon::ctl {

struct InitOptions {
	std::string spec_text;  ///< JSON; "" = all defaults, unless spec_file is given
	std::string spec_file;  ///< "-" = standard input
	/// The keeper whose data the cluster goes on with, after its store was lost; "" = a new
	/// cluster.
	std::string from_keeper;
	bool force = false;  ///< with from_keeper: although another one may have newer data
};

struct SwitchoverOptions {
	std::string to;  ///< a keeper; "" = the sentinel chooses
	std::string timeout = "10s";
	std::string at;            ///< "" = now
	bool cancel = false;       ///< end the present one instead
	std::string cancelled_id;  ///< ... if it is this one; "" = whichever
};

/// Puts the cluster's first clusterdata. Refuses when anything of a cluster of that name is left.
int run_init(const program::CommonOptions &common, const InitOptions &options);
/// Shows the cluster.
int run_status(const program::CommonOptions &common, bool as_json);
/// Asks for another master, and shows the steps until the outcome is there; or leaves the request
/// for a later time, or takes one back.
int run_switchover(const program::CommonOptions &common, const SwitchoverOptions &options);
/// Lists what keepers have set aside; `keeper` "" = of all.
int run_diverged(const program::CommonOptions &common, const std::string &keeper);
/// Changes the spec by a JSON patch.
int run_update(const program::CommonOptions &common, const std::string &patch_text);
/// Forgets a keeper that is not there any more. Refused for the master and for one that is present.
int run_removekeeper(const program::CommonOptions &common, const std::string &keeper);
/// Prints the spec in effect as JSON.
int run_spec(const program::CommonOptions &common);

}  // namespace stolon::ctl
