// The stolon.* settings.
#pragma once

#include "core/pgconf/pgconf.h"

namespace stolon::pg {

// Plain variables because PostgreSQL writes to them; defined by define_settings().
extern char *setting_cluster_name;
extern char *setting_keeper_uid;
extern char *setting_store_endpoints;
extern char *setting_store_prefix;
extern char *setting_store_ca_file;
extern char *setting_store_cert_file;
extern char *setting_store_key_file;
extern char *setting_store_credentials_file;
extern char *setting_advertise_host;
extern int setting_advertise_port;
extern char *setting_replication_user;
extern char *setting_replication_credentials_file;
extern int setting_fence_wait_ms;
extern bool setting_allow_stale_reads;

/// Defines all of them. `in_preload`: the library is being loaded by shared_preload_libraries.
void define_settings();

/// True when this server is a member of a cluster: stolon.cluster_name is set, and this is neither
/// single-user mode nor a binary upgrade.
bool is_member();

/// The settings that must be set when cluster_name is; nullptr when all are, else a sentence about
/// the first that is not.
const char *missing_setting();

/// What stolon.conf of this server is rendered from. Reads the server's own listen settings too.
core::NodeSettings node_settings();

}  // namespace stolon::pg
