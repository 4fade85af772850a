// Renders `stolon.conf`, which postgresql.conf includes last. Launcher and keeper worker both write
// it, from the same facts, so that a server started by hand is fenced as well.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/model/clusterdata.h"

namespace stolon::core {

/// What a node knows about itself; the stolon.* settings and the listen addresses. A field's name
/// is the setting's: `store_prefix` becomes stolon.store_prefix (listen_addresses, port and
/// socket_directory become PostgreSQL's own settings). Empty ones are left out.
struct NodeSettings {
	std::string cluster_name;
	KeeperUid keeper_uid;
	std::string store_endpoints;  ///< comma separated URLs
	std::string store_prefix;
	std::string store_ca_file, store_cert_file, store_key_file;
	std::string store_credentials_file;  ///< "user:password" in a file of mode 0600; "" = none
	std::string advertise_host;
	int advertise_port = 0;
	std::string listen_addresses;
	int port = 0;
	std::string socket_directory;  ///< "" = the build's default
	std::string replication_user;
	std::string replication_credentials_file;  ///< pgpass format, mode 0600
};

/// Whom this server follows. Empty host: nobody (a primary, a frozen or a waiting standby).
struct Upstream {
	std::string host;
	int port = 0;
	DbUid db;  ///< the upstream's
};

/// The text of stolon.conf. `own` names slot and application_name. `electing` shortens
/// wal_retrieve_retry_interval to 10 ms (else 100 ms, LESSONS C-11). Values are quoted; a value
/// with a newline or NUL is Invalid. Sets: the stolon.* settings, shared_preload_libraries (stolon
/// first, then the user's), listen_addresses, port, unix_socket_directories, hot_standby on,
/// wal_level (replica or the user's logical), wal_log_hints on, max_wal_senders,
/// max_replication_slots, max_slot_wal_keep_size, primary_conninfo, primary_slot_name,
/// recovery_target_timeline latest, wal_retrieve_retry_interval, wal_receiver_timeout and
/// wal_sender_timeout (from failInterval), hot_standby_feedback as the user's, restart_after_crash
/// on, then the spec's pgParameters. primary_conninfo carries no password: passfile only.
Result<std::string> render_stolon_conf(const NodeSettings &node, const ClusterSpec &spec,
                                       const DbUid &own, const Upstream &upstream, bool electing);

/// The lines of pg_hba.conf: local connections of the superuser by peer, the replication user by
/// scram-sha-256 from everywhere, everybody else by scram-sha-256 (or the spec's pgHBA lines in
/// their place).
std::string render_pg_hba(const ClusterSpec &spec, const std::string &superuser,
                          const std::string &replication_user);

}  // namespace stolon::core
