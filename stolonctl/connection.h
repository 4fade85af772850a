// The store as the commands use it: one connection, one snapshot, failures as exit codes.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "stolonctl/cluster_view.h"
#include "store/program/program.h"

namespace stolon::ctl {

/// How long the store has to answer.
constexpr core::Duration store_timeout = core::seconds(5);

/// A command that cannot go on: the exit code, after the reason has been printed.
struct Failure {
	int exit_code = program::ExitFailed;
};

/// Prints "stolonctl: <message>" to stderr.
Failure fail(int exit_code, const std::string &message);

/// Prints why the store did not do what it was asked for, with the endpoints.
Failure fail(const program::CommonOptions &common, const core::Error &error);

std::variant<std::unique_ptr<store::Store>, Failure> connect(const program::CommonOptions &common);

std::variant<ClusterView, Failure> load_view(store::Store &store,
                                             const program::CommonOptions &common);

/// As load_view, and the cluster has been initialised.
std::variant<ClusterView, Failure> load_initialised(const program::CommonOptions &common);

/// The cluster as it is, and the clusterdata that a change of it is to be compared with. The view
/// is read later than that, so that it cannot be older.
struct ChangeBase {
	store::KeyValue clusterdata;
	ClusterView view;  ///< with `data`
};
std::variant<ChangeBase, Failure> load_for_change(store::Store &store,
                                                  const program::CommonOptions &common);

/// Puts clusterdata in the place of that of `revision`; false: they have changed meanwhile, and
/// nothing was put.
core::Result<bool> put_clusterdata(store::Store &store, const program::CommonOptions &common,
                                   std::int64_t revision, const core::ClusterData &data);

core::Keys keys_of(const program::CommonOptions &common);

}  // namespace stolon::ctl
