#include "extension/bridge/worker.h"

#include <curl/curl.h>

#include <algorithm>
#include <stdexcept>

#include "extension/bridge/guard.h"
#include "extension/bridge/settings.h"
#include "store/etcd/etcd_store.h"

namespace stolon::pg {

namespace {

constexpr int restart_after_s = 1;
constexpr std::int64_t longest_wait_ms = 60 * 1000;

std::int64_t wait_ms(const store::Store &store, core::Instant until) {
	core::Instant wake = until;
	if (const auto deadline = store.deadline())
		wake = std::min(wake, *deadline);
	const core::Duration left = wake - store::now();
	if (left <= core::Duration(0))
		return 0;
	// Rounded up: waking a moment too early would only turn round once more.
	return std::min(core::to_ms(left + core::milliseconds(1)), longest_wait_ms);
}

void reload_configuration() {
	guarded([] { ProcessConfigFile(PGC_SIGHUP); });
}

}  // namespace

void begin_worker() {
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);
	pqsignal(SIGPIPE, SIG_IGN);
	BackgroundWorkerUnblockSignals();
}

void register_worker(const char *name, const char *function) {
	BackgroundWorker worker = {};
	strlcpy(worker.bgw_name, name, sizeof worker.bgw_name);
	strlcpy(worker.bgw_type, name, sizeof worker.bgw_type);
	strlcpy(worker.bgw_library_name, "stolon", sizeof worker.bgw_library_name);
	strlcpy(worker.bgw_function_name, function, sizeof worker.bgw_function_name);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = restart_after_s;
	RegisterBackgroundWorker(&worker);
}

std::unique_ptr<store::Store> open_store_of_settings() {
	store::EtcdOptions options;
	auto endpoints = store::parse_endpoints(setting_store_endpoints);
	if (!endpoints)
		throw std::runtime_error("stolon.store_endpoints: " + endpoints.error().message);
	options.endpoints = *endpoints;
	options.ca_file = setting_store_ca_file;
	options.cert_file = setting_store_cert_file;
	options.key_file = setting_store_key_file;
	options.block_signals = true;
	if (setting_store_credentials_file[0] != '\0') {
		auto credentials = store::read_credentials_file(setting_store_credentials_file);
		if (!credentials)
			throw std::runtime_error("stolon.store_credentials_file: " +
			                         credentials.error().message);
		options.user = credentials->first;
		options.password = credentials->second;
	}
	auto store = store::make_etcd_store(std::move(options));
	if (!store)
		throw std::runtime_error(store.error().message);
	return std::move(*store);
}

bool wait_and_process(store::Store &store, core::Instant until) {
	const long timeout_ms = static_cast<long>(wait_ms(store, until));
	const int fd = store.fd();
	guarded([timeout_ms, fd] {
		(void)WaitLatchOrSocket(
		    MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, fd,
		    timeout_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	});
	if (ShutdownRequestPending)
		return false;
	if (ConfigReloadPending) {
		ConfigReloadPending = false;
		reload_configuration();
	}
	store.process();
	return true;
}

void run_worker(const char *name, void (*body)()) {
	char problem[512] = "";
	try {
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
			throw std::runtime_error("could not initialise libcurl");
		body();
	} catch (const std::exception &error) {
		strlcpy(problem, error.what(), sizeof problem);
	} catch (...) {
		strlcpy(problem, "unknown exception", sizeof problem);
	}
	if (problem[0] != '\0')
		ereport(LOG, (errmsg("%s: %s", name, problem),
		              errhint("It is started again in %d s.", restart_after_s)));
	// Not 0: that would mean "do not start me again".
	proc_exit(1);
}

}  // namespace stolon::pg
