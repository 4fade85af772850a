#include "core/model/spec.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

Json json(std::string_view text) {
	auto parsed = Json::parse(text);
	EXPECT_TRUE(parsed.ok()) << text;
	return parsed.ok() ? *parsed : Json{};
}

ClusterSpec spec(std::string_view text) {
	auto parsed = parse_spec(json(text));
	EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().message);
	return parsed.ok() ? *parsed : ClusterSpec{};
}

/// The message by which `text` is refused; "" if it is accepted.
std::string refusal(std::string_view text) {
	const auto parsed = parse_spec(json(text));
	return parsed.ok() ? "" : parsed.error().message;
}

TEST(SpecDefaults, AreTheDesigns) {
	const ClusterSpec given = spec("{}");
	EXPECT_EQ(given, ClusterSpec{});
	EXPECT_EQ(given.fail_interval, seconds(5));
	EXPECT_EQ(given.sleep_interval, seconds(5));
	EXPECT_EQ(given.proxy_timeout, seconds(10));
	EXPECT_EQ(given.max_standby_lag, 1024u * 1024u);
	EXPECT_EQ(given.new_config_initdb, std::vector<std::string>{"--data-checksums"});
}

TEST(SpecOptions, AreAllRead) {
	const ClusterSpec given = spec(R"({"initMode":"new","failInterval":"2s","sleepInterval":"1m30s",
		"requestTimeout":"500ms","proxyTimeout":"20s","syncTimeout":"1h","electionPatience":"0s",
		"standbyRepairTimeout":"5m","maxSlotWalKeepSize":0,"maxStandbyLag":0,"maxStandbys":100,"additionalWalSenders":7,"defaultSSLMode":"require",
		"newConfig":{"locale":"C.UTF-8","encoding":"UTF8","dataChecksums":false},
		"pgParameters":{"max_connections":"200","auto_explain.log_min_duration":"1s"},
		"pgHBA":["host all all 10.0.0.0/8 scram-sha-256"]})");
	EXPECT_EQ(given.fail_interval, seconds(2));
	EXPECT_EQ(given.sleep_interval, seconds(90));
	EXPECT_EQ(given.request_timeout, milliseconds(500));
	EXPECT_EQ(given.proxy_timeout, seconds(20));
	EXPECT_EQ(given.sync_timeout, seconds(3600));
	EXPECT_EQ(given.election_patience, seconds(0));
	EXPECT_EQ(given.max_standby_lag, 0u);
	EXPECT_EQ(given.standby_repair_timeout, seconds(300));
	EXPECT_EQ(given.max_slot_wal_keep_size, 0u);
	EXPECT_EQ(given.max_standbys, 100);
	EXPECT_EQ(given.additional_wal_senders, 7);
	EXPECT_EQ(given.default_sslmode, "require");
	EXPECT_EQ(given.new_config_initdb,
	          (std::vector<std::string>{"--locale=C.UTF-8", "--encoding=UTF8"}));
	EXPECT_EQ(given.pg_parameters.at("max_connections"), "200");
	EXPECT_EQ(given.pg_hba.size(), 1u);
}

TEST(SpecOptions, AreMatchedInAnyCaseAndNullIsNotGiven) {
	const ClusterSpec given = spec(R"({"FailInterval":"2s","MAXSTANDBYS":3,"proxyTimeout":null,
		"NewConfig":{"DataChecksums":false,"locale":null},"PGHBA":null,"standbyConfig":null})");
	EXPECT_EQ(given.fail_interval, seconds(2));
	EXPECT_EQ(given.max_standbys, 3);
	EXPECT_EQ(given.proxy_timeout, seconds(10));
	EXPECT_TRUE(given.new_config_initdb.empty());
}

TEST(SpecRefusals, NameTheOptionTheValueAndWhatIsAllowed) {
	const std::pair<std::string_view, std::string_view> cases[] = {
	    {R"([])", "cluster spec: must be an object"},
	    {R"({"failInterval":"5"})",
	     R"(failInterval: "5" is not a duration; write for example "5s" or "1m30s")"},
	    {R"({"FAILINTERVAL":5})",
	     R"(failInterval: 5 is not a duration; write for example "5s" or "1m30s")"},
	    {R"({"failInterval":"999ms"})",
	     R"(failInterval: "999ms" is out of range; allowed is 1s to 10m0s)"},
	    {R"({"failInterval":"601s"})",
	     R"(failInterval: "601s" is out of range; allowed is 1s to 10m0s)"},
	    {R"({"failInterval":"-5s"})",
	     R"(failInterval: "-5s" is out of range; allowed is 1s to 10m0s)"},
	    {R"({"sleepInterval":"0"})",
	     R"(sleepInterval: "0" is out of range; allowed is 100ms to 1h0m0s)"},
	    {R"({"failInterval":"1s","FailInterval":"2s"})",
	     R"(cluster spec: "failInterval" and "FailInterval" are the same option; remove one)"},
	    {R"({"other":1,"Other":2})",
	     R"(cluster spec: "other" and "Other" are the same option; remove one)"},
	    {R"({"newConfig":{"locale":"C","LOCALE":"C"}})",
	     R"(newConfig: "locale" and "LOCALE" are the same option; remove one)"},
	    {R"({"maxStandbyLag":-1})",
	     "maxStandbyLag: -1 is not acceptable; allowed is an integer of at least 0"},
	    {R"({"maxReadLag":"1s"})",
	     R"(maxReadLag: "1s" is not acceptable; allowed is an integer of at least 0)"},
	    {R"({"maxStandbyLag":"1MB"})",
	     R"(maxStandbyLag: "1MB" is not acceptable; allowed is an integer of at least 0)"},
	    {R"({"maxStandbyLag":1.5})",
	     "maxStandbyLag: 1.5 is not acceptable; allowed is an integer of at least 0"},
	    {R"({"maxStandbys":0})",
	     "maxStandbys: 0 is not acceptable; allowed is an integer from 1 to 100"},
	    {R"({"maxStandbys":101})",
	     "maxStandbys: 101 is not acceptable; allowed is an integer from 1 to 100"},
	    {R"({"initMode":"pitr"})",
	     R"(initMode: "pitr" is not supported by this version; only "new" is)"},
	    {R"({"initMode":"existing"})",
	     R"(initMode: "existing" is not supported by this version; only "new" is)"},
	    {R"({"initMode":"fresh"})", R"(initMode: "fresh" is not known; allowed is "new")"},
	    {R"({"initMode":1})", R"(initMode: 1 is not known; allowed is "new")"},
	    {R"({"defaultSSLMode":"on"})",
	     R"(defaultSSLMode: "on" is not an sslmode; allowed is "disable", "allow", "prefer", )"
	     R"("require", "verify-ca" or "verify-full")"},
	    {R"({"newConfig":{"locale":"C --auth=trust"}})",
	     R"(newConfig.locale: "C --auth=trust" is not acceptable; write a name such as )"
	     R"("C.UTF-8" or "UTF8")"},
	    {R"({"newConfig":{"dataChecksums":"on"}})",
	     R"(newConfig.dataChecksums: "on" must be true or false)"},
	    {R"({"newConfig":"x"})", "newConfig: must be an object"},
	    {R"({"pgParameters":["x"]})", "pgParameters: must be an object of strings"},
	    {R"({"pgParameters":{"max_connections":100}})",
	     R"(pgParameters: "max_connections": 100 must be a string; put it in double quotes)"},
	    {R"({"pgParameters":{"Port":"5432"}})",
	     R"(pgParameters: "Port" is set by stolon itself; remove it)"},
	    {R"({"pgParameters":{"a b":"1"}})", R"(pgParameters: "a b" is not a parameter's name)"},
	    {R"({"pgParameters":{"work_mem":"1MB","WORK_MEM":"2MB"}})",
	     R"(pgParameters: "work_mem" and "WORK_MEM" are the same parameter; remove one)"},
	    {R"({"pgParameters":{"work_mem":"1\nport = 1"}})",
	     R"(pgParameters: "work_mem": the value must be one line of at most 8192 bytes)"},
	    {R"({"pgParameters":{"wal_level":"minimal"}})",
	     R"(pgParameters: "wal_level": "minimal" does not allow standbys; allowed is "replica" )"
	     R"(or "logical")"},
	    {R"({"pgHBA":"local all all trust"})", "pgHBA: must be an array of lines"},
	    {R"({"pgHBA":["a","b\nc"]})", "pgHBA: entry 2 must be a string that holds one line"},
	    {R"({"pgHBA":[7]})", "pgHBA: entry 1 must be a string that holds one line"},
	};
	for (const auto &[text, message] : cases)
		EXPECT_EQ(refusal(text), message) << text;
}

TEST(SpecRefusals, AStoreCallMustFitIntoThePlaceForThree) {
	EXPECT_EQ(refusal(R"({"failInterval":"3s","requestTimeout":"999ms"})"), "");
	EXPECT_EQ(refusal(R"({"failInterval":"3s","requestTimeout":"0s"})"), "");
	EXPECT_EQ(refusal(R"({"failInterval":"3s","requestTimeout":"1s"})"),
	          R"(requestTimeout: "1s" is too long; it must be below a third of failInterval )"
	          R"(("3s"), or "0s" for a fifth of it)");
	EXPECT_NE(refusal(R"({"requestTimeout":"1ms"})").find("too short"), std::string::npos);
}

TEST(SpecRefusals, HealthTimeoutsMustBearASlowMachine) {
	EXPECT_EQ(
	    refusal(R"({"keeperStallTimeout":"2s","recoveryTimeout":"1s","walStallTimeout":"1s"})"),
	    "");
	EXPECT_EQ(
	    refusal(R"({"keeperStallTimeout":"0s","recoveryTimeout":"0s","walStallTimeout":"0s"})"),
	    "");
	EXPECT_EQ(refusal(R"({"keeperStallTimeout":"1.9s"})"),
	          R"(keeperStallTimeout: "1.9s" is too short; write at least "2s", or "0s" for )"
	          "failInterval");
	EXPECT_EQ(refusal(R"({"recoveryTimeout":"999ms"})"),
	          R"(recoveryTimeout: "999ms" is too short; write at least "1s", or "0s" for )"
	          "failInterval");
	EXPECT_NE(refusal(R"({"walStallTimeout":"1ms"})").find("walStallTimeout: "), std::string::npos);
	EXPECT_NE(refusal(R"({"walStallTimeout":"721h"})").find("out of range"), std::string::npos);
	EXPECT_NE(refusal(R"({"walStallTimeout":5})").find("not a duration"), std::string::npos);
	EXPECT_EQ(refusal(R"({"minWalFreeSpace":"32MB"})"),
	          R"(minWalFreeSpace: "32MB" is not acceptable; allowed is an integer of at least 0)");
	EXPECT_EQ(refusal(R"({"minWalFreeSpace":0})"), "");
	EXPECT_EQ(refusal(R"({"onMasterCrash":"Restart"})"),
	          R"(onMasterCrash: "Restart" is not known; allowed is "failover" or "restart")");
	EXPECT_EQ(refusal(R"({"onMasterCrash":"restart"})"), "");
}

TEST(SpecRefusals, KnowWhatRewindingTakes) {
	EXPECT_EQ(refusal(R"({"usePgrewind":"yes"})"), R"(usePgrewind: "yes" must be true or false)");
	EXPECT_EQ(refusal(R"({"usePgrewind":true,"keepDiverged":1})"), "");
	EXPECT_EQ(refusal(R"({"keepDiverged":0})"),
	          "keepDiverged: 0 is not acceptable; allowed is an integer from 1 to 1000");
}

TEST(SpecRefusals, SayWhatThisVersionDoesNotDo) {
	for (const std::string_view text :
	     {R"({"synchronousReplication":true})", R"({"SynchronousReplication":true})",
	      R"({"synchronousReplication":"false"})", R"({"minSynchronousStandbys":"1"})",
	      R"({"mergePgParameters":false})", R"({"role":"standby"})", R"({"standbyConfig":{}})",
	      R"({"pitrConfig":{}})", R"({"existingConfig":{}})",
	      R"({"defaultSUReplAccessMode":"strict"})", R"({"automaticPgRestart":true})",
	      R"({"additionalMasterReplicationSlots":["s"]})", R"({"ackMode":"confirm"})",
	      R"({"maxStandbysPerSender":3})", R"({"deadKeeperRemovalInterval":"48h"})",
	      R"({"convergenceTimeout":"30s"})"}) {
		const std::string message = refusal(text);
		EXPECT_NE(message.find("is not supported by this version; "), std::string::npos)
		    << text << ": " << message;
	}
	EXPECT_EQ(refusal(R"({"synchronousReplication":true})"),
	          "synchronousReplication: true is not supported by this version; leave it out or set "
	          "it to false (asynchronous)");
}

TEST(SpecRefusals, DoNotConcernValuesThatSayWhatIsDoneAnyway) {
	EXPECT_EQ(refusal(R"({"synchronousReplication":false,"minSynchronousStandbys":2,
		"maxSynchronousStandbys":3,"synchronousMode":"quorum","usePgrewind":false,
		"mergePgParameters":true,"role":"master","defaultSUReplAccessMode":"all",
		"automaticPgRestart":false,"additionalMasterReplicationSlots":[]})"),
	          "");
}

TEST(SpecLimitsTest, BoundTheNumberOfEntries) {
	Json parameters = Json::object();
	for (std::size_t i = 0; i <= SpecLimits::max_pg_parameters; i++)
		parameters.set("x.p" + std::to_string(i), Json::string("v"));
	Json object = Json::object();
	object.set("pgParameters", parameters);
	EXPECT_FALSE(parse_spec(object).ok());
	parameters.erase("x.p0");
	object.set("pgParameters", parameters);
	EXPECT_TRUE(parse_spec(object).ok());

	Json lines = Json::array();
	for (std::size_t i = 0; i < SpecLimits::max_pg_hba; i++)
		lines.push(Json::string("local all all trust"));
	Json hba = Json::object();
	hba.set("pgHBA", lines);
	EXPECT_TRUE(parse_spec(hba).ok());
	lines.push(Json::string("x"));
	hba.set("pgHBA", lines);
	EXPECT_FALSE(parse_spec(hba).ok());
}

TEST(SpecLimitsTest, KeepClusterdataReadable) {
	const auto nested = [](int levels) {
		Json value = Json::integer(1);
		for (int i = 1; i < levels; i++) {
			Json outer = Json::array();
			outer.push(value);
			value = outer;
		}
		Json object = Json::object();
		object.set("mine", value);
		return object;
	};
	EXPECT_TRUE(parse_spec(nested(SpecLimits::max_depth)).ok());
	EXPECT_FALSE(parse_spec(nested(SpecLimits::max_depth + 1)).ok());
	const auto large = [](std::size_t bytes) {
		Json object = Json::object();
		object.set("mine",
		           Json::string(std::string(bytes - std::string(R"({"mine":""})").size(), 'x')));
		return object;
	};
	EXPECT_TRUE(parse_spec(large(SpecLimits::max_bytes)).ok());
	EXPECT_FALSE(parse_spec(large(SpecLimits::max_bytes + 1)).ok());
}

TEST(ManagedParameters, AreMatchedInAnyCase) {
	for (const std::string_view name :
	     {"port", "Listen_Addresses", "primary_conninfo", "PRIMARY_SLOT_NAME",
	      "synchronous_standby_names", "stolon.anything", "Stolon.cluster_name",
	      "recovery_target_lsn", "recovery_target", "include", "hba_file", "data_directory",
	      "hot_standby", "wal_log_hints", "max_wal_senders", "wal_receiver_timeout"})
		EXPECT_TRUE(is_managed_pg_parameter(name)) << name;
	for (const std::string_view name :
	     {"", "work_mem", "shared_preload_libraries", "wal_level", "hot_standby_feedback",
	      "restore_command", "stolons.x", "por", "ports"})
		EXPECT_FALSE(is_managed_pg_parameter(name)) << name;
}

TEST(SpecWriting, InEffectShowsEveryOptionAndKeepsTheUnknown) {
	const ClusterSpec given =
	    spec(R"({"FAILINTERVAL":"2s","mine":{"x":1.5},"minSynchronousStandbys":2})");
	EXPECT_EQ(
	    spec_to_json(given).dump(),
	    R"({"initMode":"new","failInterval":"2s","sleepInterval":"5s",)"
	    R"("requestTimeout":"0s","proxyTimeout":"10s","syncTimeout":"0s",)"
	    R"("electionPatience":"1s","keeperStallTimeout":"0s","recoveryTimeout":"0s",)"
	    R"("walStallTimeout":"0s","minWalFreeSpace":33554432,)"
	    R"("standbyRepairTimeout":"1m0s","maxSlotWalKeepSize":4294967296,)"
	    R"("maxStandbyLag":1048576,"maxReadLag":0,"onMasterCrash":"failover",)"
	    R"("maxStandbys":20,)"
	    R"("additionalWalSenders":5,"usePgrewind":true,"keepDiverged":3,"defaultSSLMode":"","keepers":{},"newConfig":{"dataChecksums":true},)"
	    R"("pgParameters":{},"pgHBA":[],"mine":{"x":1.5},"minSynchronousStandbys":2})");
	ClusterSpec again = spec(spec_to_json(given).dump());
	again.raw = given.raw;
	EXPECT_EQ(again, given);
}

TEST(SpecWriting, StoredIsWhatWasGiven) {
	for (const std::string_view text :
	     {R"({})", R"({"FAILINTERVAL":"2000ms","mine":{"x":1.5},"Other":null})",
	      R"({"newConfig":{"locale":"C"},"pgParameters":{"WORK_mem":"1MB"},"pgHBA":[]})"}) {
		const ClusterSpec given = spec(text);
		EXPECT_EQ(spec_to_stored_json(given).dump(), text);
		EXPECT_EQ(spec(spec_to_stored_json(given).dump()), given);
	}
}

TEST(SpecWriting, AChangeReplacesTheOptionInWhateverCaseItWasGiven) {
	ClusterSpec changed = spec(R"({"FAILINTERVAL":"2s","mine":1,"maxStandbys":4})");
	changed.fail_interval = seconds(3);
	changed.new_config_initdb = {"--locale=C", "--data-checksums"};
	EXPECT_EQ(spec_to_stored_json(changed).dump(),
	          R"({"mine":1,"maxStandbys":4,"failInterval":"3s",)"
	          R"("newConfig":{"locale":"C","dataChecksums":true}})");
	// Back to the default is a change, too.
	ClusterSpec back = spec(R"({"maxStandbys":4})");
	back.max_standbys = ClusterSpec{}.max_standbys;
	EXPECT_EQ(spec(spec_to_stored_json(back).dump()).max_standbys, 20);
}

TEST(SpecWriting, UnknownOptionsAreNamed) {
	EXPECT_EQ(unknown_spec_options(spec(R"({"failIntervall":"2s","maxStandbys":1,
		"minSynchronousStandbys":1,"SLEEPINTERVAL":"5s"})")),
	          std::vector<std::string>{"failIntervall"});
	EXPECT_TRUE(unknown_spec_options(ClusterSpec{}).empty());
}

}  // namespace
}  // namespace stolon::core
