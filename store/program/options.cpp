#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "core/base/types.h"
#include "store/program/program.h"

namespace stolon::program {

void add_common_options(CLI::App &app, CommonOptions &options) {
	auto add = [&app](const char *name, std::string &value, const char *help) {
		std::string env = std::string("STOLON") + (name + 1);
		for (char &c : env) {
			c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
		}
		return app.add_option(name, value, help)->envname(env);
	};
	add("--cluster-name", options.cluster_name, "Name of the cluster")->required();
	add("--store-backend", options.store_backend, "Kind of store")
	    ->check(CLI::IsMember({"etcdv3"}))
	    ->capture_default_str();
	add("--store-endpoints", options.store_endpoints, "Comma-separated URLs of the store")
	    ->capture_default_str();
	add("--store-prefix", options.store_prefix, "Where all keys lie in the store")
	    ->capture_default_str();
	add("--store-ca-file", options.store_ca_file, "CA certificates to check the store's by (PEM)");
	add("--store-cert-file", options.store_cert_file, "Client certificate for the store (PEM)");
	add("--store-key", options.store_key_file, "Key of the client certificate (PEM)");
	add("--store-credentials-file", options.store_credentials_file,
	    "File with user:password for the store, readable by its owner only");
	add("--log-level", options.log_level, "How much is logged")
	    ->check(CLI::IsMember({"error", "warn", "info", "debug"}))
	    ->capture_default_str();
	if (app.get_parent() == nullptr) {
		app.set_version_flag("--version", version_text());
	}
}

std::string version_text() {
	return "stolon " STOLON_VERSION;
}

std::optional<int> parse_arguments(CLI::App &app, int argc, char **argv) {
	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		// --help and --version come this way, too, and print to stdout.
		return app.exit(error) == 0 ? ExitOk : ExitUsage;
	}
	return std::nullopt;
}

namespace {

core::Status check_options(const CommonOptions &options) {
	if (core::Status name = core::check_cluster_name(options.cluster_name); !name) {
		return core::invalid("--cluster-name: " + name.error().message);
	}
	if (options.store_backend != "etcdv3") {
		return core::invalid("--store-backend: \"" + options.store_backend +
		                     "\" is not supported, use etcdv3");
	}
	if (options.store_prefix.empty() || options.store_prefix == "/") {
		return core::invalid("--store-prefix must not be empty");
	}
	if (options.store_cert_file.empty() != options.store_key_file.empty()) {
		return core::invalid("--store-cert-file and --store-key must be given together");
	}
	return {};
}

}  // namespace

core::Result<std::unique_ptr<store::Store>> open_store(const CommonOptions &options) {
	if (core::Status checked = check_options(options); !checked) {
		return checked.error();
	}
	core::Result<std::vector<std::string>> endpoints =
	    store::parse_endpoints(options.store_endpoints);
	if (!endpoints) {
		return core::invalid("--store-endpoints: " + endpoints.error().message);
	}
	store::EtcdOptions etcd;
	etcd.endpoints = std::move(*endpoints);
	etcd.ca_file = options.store_ca_file;
	etcd.cert_file = options.store_cert_file;
	etcd.key_file = options.store_key_file;
	if (!options.store_credentials_file.empty()) {
		auto credentials = store::read_credentials_file(options.store_credentials_file);
		if (!credentials) {
			return core::invalid("--store-credentials-file: " + credentials.error().message);
		}
		etcd.user = std::move(credentials->first);
		etcd.password = std::move(credentials->second);
	}
	// libcurl may start a thread to resolve a name; signals belong to the main thread. It also
	// leaves SIGPIPE to us, and a peer that goes away must not end the process.
	etcd.block_signals = true;
	std::signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return core::invalid("libcurl cannot be initialised");
	}
	return store::make_etcd_store(std::move(etcd));
}

}  // namespace stolon::program
