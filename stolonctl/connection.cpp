#include "stolonctl/connection.h"

#include <cstdio>

#include "stolonctl/table.h"
#include "store/program/blocking.h"

namespace stolon::ctl {

Failure fail(int exit_code, const std::string &message) {
	std::fprintf(stderr, "stolonctl: %s\n", printable(message).c_str());
	return Failure{exit_code};
}

Failure fail(const program::CommonOptions &common, const core::Error &error) {
	switch (error.kind) {
		case core::ErrorKind::Unavailable:
		case core::ErrorKind::Unknown:
			return fail(program::ExitStore, "the store at " + common.store_endpoints +
			                                    " cannot be reached: " + error.message);
		case core::ErrorKind::Denied:
			return fail(program::ExitFailed,
			            "the store at " + common.store_endpoints + " denied it: " + error.message);
		default:
			return fail(program::ExitFailed, error.message);
	}
}

core::Keys keys_of(const program::CommonOptions &common) {
	return core::Keys(common.store_prefix, common.cluster_name);
}

std::variant<std::unique_ptr<store::Store>, Failure> connect(const program::CommonOptions &common) {
	if (common.cluster_name.empty()) {
		return fail(program::ExitUsage,
		            "which cluster? Give --cluster-name (or set STOLON_CLUSTER_NAME)");
	}
	core::Result<std::unique_ptr<store::Store>> store = program::open_store(common);
	if (!store) {
		return fail(program::ExitUsage, store.error().message);
	}
	return std::move(*store);
}

std::variant<ClusterView, Failure> load_view(store::Store &store,
                                             const program::CommonOptions &common) {
	const core::Keys keys = keys_of(common);
	store::RangeRequest request;
	request.key = keys.root();
	request.range_end = store::prefix_end(keys.root());
	core::Result<store::RangeResponse> response =
	    program::range_and_wait(store, std::move(request), store_timeout);
	if (!response) {
		return fail(common, response.error());
	}
	core::Result<ClusterView> view = make_view(keys, response->kvs);
	if (!view) {
		return fail(program::ExitFailed, view.error().message);
	}
	return std::move(*view);
}

std::variant<ChangeBase, Failure> load_for_change(store::Store &store,
                                                  const program::CommonOptions &common) {
	store::RangeRequest request;
	request.key = keys_of(common).clusterdata();
	auto read = program::range_and_wait(store, std::move(request), store_timeout);
	auto loaded = load_view(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return *failure;
	}
	ClusterView &view = std::get<ClusterView>(loaded);
	if (!read) {
		return fail(common, read.error());
	}
	if (!view.data || read->kvs.empty()) {
		return fail(program::ExitFailed,
		            "cluster \"" + common.cluster_name + "\" is not initialised");
	}
	return ChangeBase{std::move(read->kvs.front()), std::move(view)};
}

core::Result<bool> put_clusterdata(store::Store &store, const program::CommonOptions &common,
                                   std::int64_t revision, const core::ClusterData &data) {
	const std::string key = keys_of(common).clusterdata();
	store::TxnRequest request;
	request.compares = {{store::Compare::Field::ModRevision, key, revision}};
	request.then_ops = {store::Op::put(key, core::clusterdata_to_text(data))};
	auto response = program::txn_and_wait(store, std::move(request), store_timeout);
	if (!response) {
		return response.error();
	}
	return response->succeeded;
}

std::variant<ClusterView, Failure> load_initialised(const program::CommonOptions &common) {
	auto store = connect(common);
	if (Failure *failure = std::get_if<Failure>(&store)) {
		return *failure;
	}
	auto loaded = load_view(*std::get<std::unique_ptr<store::Store>>(store), common);
	ClusterView *view = std::get_if<ClusterView>(&loaded);
	if (view != nullptr && !view->data) {
		return fail(program::ExitFailed, "cluster \"" + common.cluster_name +
		                                     "\" is not initialised: run `stolonctl init` (keys "
		                                     "are looked for under " +
		                                     keys_of(common).root() + ")");
	}
	return loaded;
}

}  // namespace stolon::ctl
