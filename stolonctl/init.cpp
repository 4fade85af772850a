// `stolonctl init`

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
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

/// Why the cluster may not be initialised now, or "". An empty place in the store is no proof that
/// there is no data: a store that was lost or restored, or a wrong prefix, looks the same. So what
/// launchers report counts as well (LESSONS B-6).
std::string reason_to_refuse(const ClusterView &view, const std::string &cluster_name) {
	const std::string name = "cluster \"" + cluster_name + "\"";
	if (view.data) {
		return name + " is already initialised (see `stolonctl status`); nothing was changed";
	}
	if (!view.lasting_keys.empty()) {
		return "the store holds remains of " + name + ", for example " + view.lasting_keys.front() +
		       "; nothing was changed. Find out what became of its clusterdata, or choose another "
		       "name";
	}
	for (const auto &[uid, node] : view.nodes) {
		if (!node.db.empty()) {
			return "keeper " + uid.value + " already holds the data of a db (" + node.db.value +
			       ") of " + name +
			       "; nothing was changed. Was the store lost, or is this another one? To start "
			       "anew, move that data directory aside first";
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

int write_first(store::Store &store, const program::CommonOptions &common, core::ClusterSpec spec) {
	const core::Keys keys = keys_of(common);
	const auto random = program::random_hex(cluster_uid_digits);
	if (!random) {
		return fail(program::ExitFailed, random.error().message).exit_code;
	}
	const std::string &cluster_uid = *random;
	store::TxnRequest request;
	for (const std::string &key : {keys.clusterdata(), keys.master()}) {
		request.compares.push_back({store::Compare::Field::CreateRevision, key, 0});
	}
	request.then_ops.push_back(store::Op::put(
	    keys.clusterdata(),
	    core::clusterdata_to_text(core::initial_clusterdata(std::move(spec), cluster_uid))));
	core::Result<store::TxnResponse> response =
	    program::txn_and_wait(store, std::move(request), store_timeout);
	if (!response) {
		if (response.error().kind != core::ErrorKind::Unknown ||
		    !was_written(store, common, cluster_uid)) {
			return fail(common, response.error()).exit_code;
		}
	} else if (!response->succeeded) {
		return fail(program::ExitFailed, "somebody else initialised cluster \"" +
		                                     common.cluster_name +
		                                     "\" at the same time; nothing was changed")
		    .exit_code;
	}
	std::printf("cluster \"%s\" is initialised (uid %s); a sentinel makes the first master\n",
	            common.cluster_name.c_str(), cluster_uid.c_str());
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
	auto loaded = load_view(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const std::string refusal =
	    reason_to_refuse(std::get<ClusterView>(loaded), common.cluster_name);
	if (!refusal.empty()) {
		return fail(program::ExitFailed, refusal).exit_code;
	}
	return write_first(store, common, std::move(*spec));
}

}  // namespace stolon::ctl
