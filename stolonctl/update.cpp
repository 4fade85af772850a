// `stolonctl update`: changes the cluster spec.
#include <cstdio>

#include "core/model/spec_patch.h"
#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
#include "stolonctl/spec_warnings.h"

namespace stolon::ctl {

namespace {

constexpr int max_attempts = 5;

enum class Outcome { Done, NothingToDo, Raced, Failed };

/// One read, change and write; Raced: the sentinel has written in between.
Outcome attempt(store::Store &store, const program::CommonOptions &common,
                const core::Json &patch) {
	auto loaded = load_for_change(store, common);
	if (std::holds_alternative<Failure>(loaded)) {
		return Outcome::Failed;
	}
	auto &[read, view] = std::get<ChangeBase>(loaded);
	core::ClusterData &data = *view.data;
	auto spec = core::patch_spec(data.spec, patch);
	if (!spec) {
		fail(program::ExitFailed, "the patch is refused: " + spec.error().message);
		return Outcome::Failed;
	}
	if (*spec == data.spec) {
		print_spec_warnings(*spec, &data);
		return Outcome::NothingToDo;
	}
	data.spec = *std::move(spec);
	++data.generation;
	const auto put = put_clusterdata(store, common, read.mod_revision, data);
	// The same change once more does no harm if it was written.
	if (!put && put.error().kind != core::ErrorKind::Unknown) {
		fail(common, put.error());
		return Outcome::Failed;
	}
	if (!put || !*put) {
		return Outcome::Raced;
	}
	print_spec_warnings(data.spec, &data);
	return Outcome::Done;
}

}  // namespace

int run_update(const program::CommonOptions &common, const std::string &patch_text) {
	const auto patch = core::Json::parse(patch_text);
	if (!patch) {
		return fail(program::ExitUsage, "the patch is not JSON: " + patch.error().message)
		    .exit_code;
	}
	auto connected = connect(common);
	if (Failure *failure = std::get_if<Failure>(&connected)) {
		return failure->exit_code;
	}
	store::Store &store = *std::get<std::unique_ptr<store::Store>>(connected);
	for (int i = 0; i < max_attempts; ++i) {
		switch (attempt(store, common, *patch)) {
			case Outcome::Done:
				std::puts("the spec is changed");
				return program::ExitOk;
			case Outcome::NothingToDo:
				std::puts("the spec says that already; nothing was changed");
				return program::ExitOk;
			case Outcome::Failed:
				return program::ExitFailed;
			case Outcome::Raced:
				break;
		}
	}
	return fail(program::ExitFailed, "the cluster changes all the time; try again").exit_code;
}

}  // namespace stolon::ctl
