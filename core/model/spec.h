// The cluster spec: what the operator wants. JSON with stolon's option names and Go-style
// durations; keys are matched case-insensitively, unknown fields are kept through a
// read-modify-write.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/model/keeper_options.h"

namespace stolon::core {

enum class InitMode { New, Existing };

/// What follows when the master's postmaster crashes on a host that goes on.
enum class OnMasterCrash {
	Failover,  ///< a standby takes over
	Restart,   ///< it starts again in place, unless it crashes again soon
};

/// Bounds that every spec has to respect; outside of them a spec is refused.
struct SpecLimits {
	static constexpr Duration min_fail_interval = seconds(1);
	static constexpr Duration max_fail_interval = seconds(600);
	/// Of the whole object: embedded in clusterdata it must stay below the bounds there.
	static constexpr std::size_t max_bytes = 256 * 1024;
	static constexpr int max_depth = 16;
	static constexpr std::size_t max_pg_parameters = 512;
	static constexpr std::size_t max_pg_hba = 1024;
	static constexpr std::size_t max_pg_value_bytes = 8192;  ///< of a parameter or an HBA line
};

struct ClusterSpec {
	InitMode init_mode = InitMode::New;    ///< initMode: "new" (the only one that works so far)
	Duration fail_interval = seconds(5);   ///< failInterval: validity of one beat
	Duration sleep_interval = seconds(5);  ///< sleepInterval: safety-net re-read, LSN publishing
	Duration request_timeout =
	    Duration(0);  ///< requestTimeout: of a store call; 0 = failInterval / 5
	Duration proxy_timeout = seconds(10);  ///< proxyTimeout
	Duration sync_timeout = Duration(0);   ///< syncTimeout: a clone without progress; 0 = no bound
	Duration election_patience = seconds(1);  ///< electionPatience: wait for votes of live standbys
	std::uint64_t max_standby_lag = 1024 * 1024;  ///< maxStandbyLag, bytes
	std::uint64_t max_read_lag = 0;  ///< maxReadLag, bytes still to replay; 0 = no bound
	// When a master is unfit; see HealthLimits.
	Duration keeper_stall_timeout{0};                     ///< keeperStallTimeout
	Duration recovery_timeout{0};                         ///< recoveryTimeout
	Duration wal_stall_timeout{0};                        ///< walStallTimeout
	std::uint64_t min_wal_free_space = 32 * 1024 * 1024;  ///< minWalFreeSpace, bytes; 0 = off
	/// standbyRepairTimeout: a standby that neither streams nor gets on is made anew; 0 = never.
	Duration standby_repair_timeout = seconds(60);
	/// maxSlotWalKeepSize, bytes: WAL that a slot may keep for a member that does not take it; 0 =
	/// no bound.
	std::uint64_t max_slot_wal_keep_size = std::uint64_t{4} * 1024 * 1024 * 1024;
	OnMasterCrash on_master_crash = OnMasterCrash::Failover;  ///< onMasterCrash
	int max_standbys = 20;                                    ///< maxStandbys (1..100)
	int additional_wal_senders = 5;  ///< additionalWalSenders (0..1000): beyond the standbys'
	bool use_pgrewind = true;        ///< usePgrewind: rewind diverged data instead of cloning
	int keep_diverged = 3;           ///< keepDiverged (1..1000): directories that are kept aside
	KeeperOptionsMap keepers;        ///< keepers: {"node3": {"failoverPriority": 0}}
	std::string default_sslmode;     ///< defaultSSLMode: of replication connections, "" = libpq's
	std::map<std::string, std::string>
	    pg_parameters;                ///< pgParameters: what the user wants in stolon.conf
	std::vector<std::string> pg_hba;  ///< pgHBA: lines; empty = the generated default
	/// newConfig: {locale, encoding, dataChecksums} as initdb options
	std::vector<std::string> new_config_initdb = {"--data-checksums"};
	Json raw;  ///< The object as given, missing if it was empty; the source of unknown fields

	bool operator==(const ClusterSpec &) const = default;

	/// 0: this keeper is never elected.
	int failover_priority_of(const KeeperUid &uid) const;
};

/// Reads a spec object. Refuses (Invalid, with the option's name): wrong types, values out of
/// range, options that stolon has and we would silently not honour (synchronousReplication true,
/// initMode pitr/existing, standbyConfig, ...), pgParameters that stolon manages itself, and two
/// keys that differ only in case. An option that is null counts as not given. Options that are not
/// known at all are kept (see unknown_spec_options).
Result<ClusterSpec> parse_spec(const Json &object);

/// The object with every known option set to its value in effect (canonical names) and unknown
/// fields kept.
Json spec_to_json(const ClusterSpec &spec);

/// The object as it is stored: `raw` with the options that have been changed since, so that an
/// option which nobody set goes on following its default.
Json spec_to_stored_json(const ClusterSpec &spec);

/// Names in `raw` that neither this version nor stolon knows, to be shown to the operator: they may
/// be misspelled.
std::vector<std::string> unknown_spec_options(const ClusterSpec &spec);

/// The parameters that stolon sets itself and a spec may not contain, lower case.
bool is_managed_pg_parameter(std::string_view name);

}  // namespace stolon::core
