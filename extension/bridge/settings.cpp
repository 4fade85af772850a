#include "extension/bridge/settings.h"

#include "core/base/types.h"
#include "extension/fence/shared.h"
#include "store/etcd/etcd_store.h"

#include "extension/bridge/pg.h"

namespace stolon::pg {

char *setting_cluster_name = nullptr;
char *setting_keeper_uid = nullptr;
char *setting_store_endpoints = nullptr;
char *setting_store_prefix = nullptr;
char *setting_store_ca_file = nullptr;
char *setting_store_cert_file = nullptr;
char *setting_store_key_file = nullptr;
char *setting_store_credentials_file = nullptr;
char *setting_advertise_host = nullptr;
int setting_advertise_port = 0;
char *setting_replication_user = nullptr;
char *setting_replication_credentials_file = nullptr;
int setting_fence_wait_ms = -1;
bool setting_allow_stale_reads = false;

namespace {

int setting_config_token = 0;

bool accept(const core::Status &status) {
	if (status.ok())
		return true;
	GUC_check_errdetail("%s.", status.error().message.c_str());
	return false;
}

template <typename T>
core::Status status_of(const core::Result<T> &result) {
	return result.ok() ? core::Status() : core::Status(result.error());
}

// Check hooks may not throw and may not leave C++ objects behind an ereport; GUC_check_errdetail
// only allocates.
bool check_cluster_name_hook(char **value, void **, GucSource) noexcept {
	return (*value)[0] == '\0' || accept(core::check_cluster_name(*value));
}

bool check_keeper_uid_hook(char **value, void **, GucSource) noexcept {
	return (*value)[0] == '\0' || accept(status_of(core::KeeperUid::parse(*value)));
}

bool check_endpoints_hook(char **value, void **, GucSource) noexcept {
	return (*value)[0] == '\0' || accept(status_of(store::parse_endpoints(*value)));
}

// The startup process alone reports which configuration it has taken over: from then on it starts
// no walreceiver with an older primary_conninfo (it reads a whole configuration before it does
// anything else).
void assign_config_token(int value, void *) noexcept {
	if (value != 0 && in_startup_process())
		report_startup_token(static_cast<uint64>(value));
}

void define_string(const char *name, const char *description, char **variable, const char *boot,
                   GucStringCheckHook check = nullptr, int flags = 0) {
	DefineCustomStringVariable(name, description, nullptr, variable, boot, PGC_POSTMASTER, flags,
	                           check, nullptr, nullptr);
}

void define_store_settings() {
	define_string("stolon.store_endpoints",
	              "Comma separated URLs of the etcd members. Prefer addresses to names.",
	              &setting_store_endpoints, "http://127.0.0.1:2379", check_endpoints_hook);
	define_string("stolon.store_prefix", "Prefix of all keys in the store.", &setting_store_prefix,
	              "stolon/cluster");
	define_string("stolon.store_ca_file",
	              "File with the CA certificates that etcd's certificate is checked against.",
	              &setting_store_ca_file, "");
	define_string("stolon.store_cert_file", "File with the client certificate for etcd.",
	              &setting_store_cert_file, "");
	define_string("stolon.store_key_file",
	              "File with the private key of the client certificate for etcd.",
	              &setting_store_key_file, "");
	define_string("stolon.store_credentials_file",
	              "File (mode 0600) whose first line is user:password for etcd.",
	              &setting_store_credentials_file, "", nullptr, GUC_SUPERUSER_ONLY);
}

void define_identity_settings() {
	define_string(
	    "stolon.cluster_name",
	    "Name of the cluster that this server is a member of. Empty: stolon does nothing.",
	    &setting_cluster_name, "", check_cluster_name_hook);
	define_string("stolon.keeper_uid", "Unique name of this host within the cluster.",
	              &setting_keeper_uid, "", check_keeper_uid_hook);
	define_string("stolon.advertise_host",
	              "Address under which the other members reach this server.",
	              &setting_advertise_host, "");
	DefineCustomIntVariable("stolon.advertise_port",
	                        "Port under which the other members reach this server; 0 means port.",
	                        nullptr, &setting_advertise_port, 0, 0, 65535, PGC_POSTMASTER, 0,
	                        nullptr, nullptr, nullptr);
	define_string("stolon.replication_user", "Role by which standbys connect to their upstream.",
	              &setting_replication_user, "stolon_repl");
	define_string("stolon.replication_credentials_file",
	              "Password file (in pgpass format, mode 0600) for the replication connection.",
	              &setting_replication_credentials_file, "", nullptr, GUC_SUPERUSER_ONLY);
}

}  // namespace

void define_settings() {
	define_identity_settings();
	define_store_settings();
	DefineCustomIntVariable(
	    "stolon.fence_wait",
	    "How long a statement or commit waits for the lease to return before it fails.",
	    "-1 means failInterval of the cluster.", &setting_fence_wait_ms, -1, -1, 3600 * 1000,
	    PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
	DefineCustomBoolVariable(
	    "stolon.allow_stale_reads",
	    "Lets this session read, and only read, while the server does not hold the lease.",
	    "What is read may have been replaced on the new master.", &setting_allow_stale_reads, false,
	    PGC_USERSET, 0, nullptr, nullptr, nullptr);
	DefineCustomIntVariable(
	    "stolon.config_token",
	    "Number of the configuration that stolon has written. For internal use.", nullptr,
	    &setting_config_token, 0, 0, INT_MAX, PGC_SIGHUP, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
	    nullptr, assign_config_token, nullptr);
	reserve_guc_prefix("stolon");
}

bool is_member() {
	return IsUnderPostmaster && !IsBinaryUpgrade && setting_cluster_name != nullptr &&
	       setting_cluster_name[0] != '\0';
}

const char *missing_setting() {
	if (setting_keeper_uid[0] == '\0')
		return "stolon.keeper_uid must be set when stolon.cluster_name is";
	if (setting_store_endpoints[0] == '\0')
		return "stolon.store_endpoints must be set when stolon.cluster_name is";
	if (setting_advertise_host[0] == '\0')
		return "stolon.advertise_host must be set when stolon.cluster_name is";
	return nullptr;
}

core::NodeSettings node_settings() {
	core::NodeSettings node;
	node.cluster_name = setting_cluster_name;
	node.keeper_uid = core::KeeperUid{setting_keeper_uid};
	node.store_endpoints = setting_store_endpoints;
	node.store_prefix = setting_store_prefix;
	node.store_ca_file = setting_store_ca_file;
	node.store_cert_file = setting_store_cert_file;
	node.store_key_file = setting_store_key_file;
	node.store_credentials_file = setting_store_credentials_file;
	node.advertise_host = setting_advertise_host;
	node.advertise_port = setting_advertise_port != 0 ? setting_advertise_port : PostPortNumber;
	node.listen_addresses = ListenAddresses;
	node.port = PostPortNumber;
	node.socket_directory = Unix_socket_directories;
	node.replication_user = setting_replication_user;
	node.replication_credentials_file = setting_replication_credentials_file;
	return node;
}

}  // namespace stolon::pg
