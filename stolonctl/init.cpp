// `stolonctl init`

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
#include "stolonctl/rebuild.h"
#include "stolonctl/spec_warnings.h"
#include "stolonctl/table.h"
#include "store/program/blocking.h"
#include "store/program/random.h"

namespace stolon::ctl {

namespace {

constexpr std::size_t max_spec_bytes = 1024 * 1024;
constexpr std::size_t cluster_uid_digits = 16;

core::Result<std::string> read_stream(std::FILE *stream) {
	std::string text;
	char buffer[4096];
	while (std::size_t got = std::fread(buffer, 1, sizeof(buffer), stream)) {
		text.append(buffer, got);
		if (text.size() > max_spec_bytes) {
			return core::invalid("it is larger than 1 MiB");
		}
	}
	if (std::ferror(stream) != 0) {
		return core::invalid(std::strerror(errno));
	}
	return text;
}

core::Result<std::string> read_spec_file(const std::string &path) {
	if (path == "-") {
		return read_stream(stdin);
	}
	std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "re"),
	                                                      &std::fclose);
	if (!file) {
		return core::invalid(std::strerror(errno));
	}
	return read_stream(file.get());
}

core::Result<core::ClusterSpec> read_spec(const InitOptions &options) {
	std::string text = options.spec_text.empty() ? "{}" : options.spec_text;
	if (!options.spec_file.empty()) {
		core::Result<std::string> content = read_spec_file(options.spec_file);
		if (!content) {
			return core::invalid("the spec file " + options.spec_file +
			                     " cannot be read: " + content.error().message);
		}
		text = std::move(*content);
	}
	core::Result<core::Json> json = core::Json::parse(text);
	if (!json) {
		return core::invalid("the spec is not JSON: " + json.error().message);
	}
	core::Result<core::ClusterSpec> spec = core::parse_spec(*json);
	if (!spec) {
		return core::invalid("the spec is refused: " + spec.error().message);
	}
	return spec;
}

std::string cluster_called(const program::CommonOptions &common) {
	return "cluster \"" + common.cluster_name + "\"";
}

std::string already_there(const std::string &name) {
	return name + " is already initialised (see `stolonctl status`); nothing was changed";
}

/// Why nothing of `name` may be put into this store, whose clusterdata are absent or of no use; "":
/// it may.
std::string remains_of(const ClusterView &view, const core::Keys &keys, const std::string &name) {
	for (const std::string &key : view.lasting_keys) {
		if (key != keys.clusterdata()) {
			return "the store holds remains of " + name + ", for example " + key +
			       "; nothing was changed. Find out what became of its clusterdata, or choose "
			       "another name";
		}
	}
	return "";
}

/// A sentinel with --initial-cluster-spec has put them, and nobody has been named: nothing is there
/// yet that could be lost.
bool is_only_a_beginning(const core::ClusterData &data) {
	return data.phase == core::ClusterPhase::Initializing && data.master.empty() &&
	       data.keepers.empty() && !data.election;
}

/// Why a new cluster may not be initialised now, or "". An empty place in the store is no proof
/// that there is no data: a store that was lost or restored, or a wrong prefix, looks the same. So
/// what launchers report counts as well (LESSONS B-6).
std::string reason_to_refuse(const ClusterView &view, const core::Keys &keys,
                             const std::string &name) {
	if (view.data) {
		return already_there(name);
	}
	if (std::string reason = remains_of(view, keys, name); !reason.empty()) {
		return reason;
	}
	for (const auto &[uid, node] : view.nodes) {
		if (!node.db.empty()) {
			return "keeper " + uid.value + " already holds the data of a db (" + node.db.value +
			       ") of " + name +
			       "; nothing was changed. Was the store lost, or is this another one? To go on "
			       "with these data, use --from-keeper; to start anew, move that data directory "
			       "aside first";
		}
	}
	return "";
}

/// After a write without an answer: did it happen?
bool was_written(store::Store &store, const program::CommonOptions &common,
                 const std::string &cluster_uid) {
	auto loaded = load_view(store, common);
	const ClusterView *view = std::get_if<ClusterView>(&loaded);
	return view != nullptr && view->data && view->data->cluster_uid == cluster_uid;
}

/// Puts the first clusterdata and, if it names a master, the `master` key, where there is neither;
/// `instead_of` is the mod_revision of clusterdata that may be replaced, or 0.
std::optional<Failure> put_first(store::Store &store, const program::CommonOptions &common,
                                 const core::ClusterData &data, std::int64_t instead_of = 0) {
	const core::Keys keys = keys_of(common);
	store::TxnRequest request;
	using store::Compare;
	request.compares = {{Compare::Field::ModRevision, keys.clusterdata(), instead_of},
	                    {Compare::Field::CreateRevision, keys.master(), 0}};
	request.then_ops.push_back(store::Op::put(keys.clusterdata(), core::clusterdata_to_text(data)));
	if (!data.master.empty()) {
		request.then_ops.push_back(store::Op::put(
		    keys.master(), core::master_key_to_text(core::MasterKey{data.epoch, data.master})));
	}
	core::Result<store::TxnResponse> response =
	    program::txn_and_wait(store, std::move(request), store_timeout);
	if (!response) {
		if (response.error().kind != core::ErrorKind::Unknown ||
		    !was_written(store, common, data.cluster_uid)) {
			return fail(common, response.error());
		}
	} else if (!response->succeeded) {
		return fail(program::ExitFailed, "somebody else initialised cluster \"" +
		                                     common.cluster_name +
		                                     "\" at the same time; nothing was changed");
	}
	return std::nullopt;
}

int write_new(store::Store &store, const program::CommonOptions &common, core::ClusterSpec spec) {
	const auto cluster_uid = program::random_hex(cluster_uid_digits);
	if (!cluster_uid) {
		return fail(program::ExitFailed, cluster_uid.error().message).exit_code;
	}
	const auto data = core::initial_clusterdata(std::move(spec), *cluster_uid);
	if (const auto failure = put_first(store, common, data)) {
		return failure->exit_code;
	}
	std::printf("cluster \"%s\" is initialised (uid %s); a sentinel makes the first master\n",
	            common.cluster_name.c_str(), cluster_uid->c_str());
	return program::ExitOk;
}

/// What `view` allows to be written; the message says what is in the way.
core::Result<Rebuilt> judge(const program::CommonOptions &common, const InitOptions &options,
                            const core::KeeperUid &from, const core::ClusterSpec &spec,
                            const ClusterView &view) {
	const std::string name = cluster_called(common);
	const std::string refusal = view.data && !is_only_a_beginning(*view.data)
	                                ? already_there(name)
	                                : remains_of(view, keys_of(common), name);
	if (!refusal.empty()) {
		return core::invalid(refusal);
	}
	auto spare = program::random_db_uids(view.nodes.size() + 1);
	if (!spare) {
		return spare.error();
	}
	auto rebuilt = rebuild_from(view, from, spec, options.force, *std::move(spare));
	if (!rebuilt) {
		return core::invalid(rebuilt.error().message + "\nNothing was changed.");
	}
	return rebuilt;
}

/// A server that is not present here may still hold a lease, from before the store was lost.
void wait_for_leases(core::Duration longest) {
	std::printf("waiting for %s, until no lease of before is valid any more\n",
	            core::format_duration(longest).c_str());
	std::fflush(stdout);
	std::this_thread::sleep_for(longest);
}

int rebuild(store::Store &store, const program::CommonOptions &common, const InitOptions &options,
            const core::ClusterSpec &spec, const ClusterView &before) {
	const auto from = core::KeeperUid::parse(options.from_keeper);
	if (!from) {
		return fail(program::ExitUsage, "--from-keeper: " + from.error().message).exit_code;
	}
	if (const auto judged = judge(common, options, *from, spec, before); !judged) {
		return fail(program::ExitFailed, judged.error().message).exit_code;
	}
	wait_for_leases(longest_lease(before, spec));
	// Somebody else may have come back meanwhile, with newer data, or as a master.
	auto loaded = load_view(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const ClusterView &view = std::get<ClusterView>(loaded);
	const auto rebuilt = judge(common, options, *from, spec, view);
	if (!rebuilt) {
		return fail(program::ExitFailed, rebuilt.error().message).exit_code;
	}
	const core::ClusterData &data = rebuilt->data;
	if (const auto failure = put_first(store, common, data, view.data_revision)) {
		return failure->exit_code;
	}
	for (const std::string &note : rebuilt->notes) {
		std::printf("%s\n", printable(note).c_str());
	}
	std::printf("cluster \"%s\" (uid %s) goes on with the data of keeper %s, in epoch %s\n",
	            common.cluster_name.c_str(), data.cluster_uid.c_str(),
	            data.find_db(data.master)->keeper.value.c_str(),
	            std::to_string(data.epoch.value).c_str());
	return program::ExitOk;
}

}  // namespace

int run_init(const program::CommonOptions &common, const InitOptions &options) {
	core::Result<core::ClusterSpec> spec = read_spec(options);
	if (!spec) {
		return fail(program::ExitFailed, spec.error().message).exit_code;
	}
	auto connected = connect(common);
	if (Failure *failure = std::get_if<Failure>(&connected)) {
		return failure->exit_code;
	}
	store::Store &store = *std::get<std::unique_ptr<store::Store>>(connected);
	print_spec_warnings(*spec, nullptr);
	auto loaded = load_view(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const ClusterView &view = std::get<ClusterView>(loaded);
	if (!options.from_keeper.empty()) {
		return rebuild(store, common, options, *spec, view);
	}
	const std::string refusal = reason_to_refuse(view, keys_of(common), cluster_called(common));
	if (!refusal.empty()) {
		return fail(program::ExitFailed, refusal).exit_code;
	}
	return write_new(store, common, std::move(*spec));
}

}  // namespace stolon::ctl
