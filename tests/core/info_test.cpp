#include "core/model/info.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

WalPosition position(std::uint32_t timeline, std::uint64_t lsn) {
	return {Timeline{timeline}, Lsn{lsn}};
}

Beat full_beat() {
	Beat beat;
	beat.epoch = Epoch{7};
	beat.db = DbUid{"0a1b2c3d"};
	beat.master_revision = 1234;
	beat.valid = seconds(5);
	beat.position = position(3, 0x5000060);
	beat.writable = true;
	return beat;
}

KeeperInfo full_keeper_info() {
	KeeperInfo info;
	info.unfit = "the disk is full";
	info.replay_paused = true;
	info.inconsistent = true;
	info.replay_held = true;
	info.was_primary = true;
	info.instance = "0011223344556677";
	info.checkpointed_for = "aa";
	info.uid = KeeperUid{"k1"};
	info.db = DbUid{"0a1b2c3d"};
	info.generation = 12;
	info.epoch = Epoch{7};
	info.role = PgRole::Standby;
	info.writable = true;
	info.writable_epoch = Epoch{6};
	info.position = position(3, 0x5000060);
	info.replayed = Lsn{0x5000000};
	info.redo = Lsn{0x4000028};
	info.streaming = true;
	info.catching_up = true;
	info.trouble = "WAL that is here is not replayed";
	info.trouble_since = "2024-05-01T10:00:00Z";
	info.unreachable = true;
	info.upstream = DbUid{"ffffffff"};
	info.history = {{Timeline{1}, Lsn{0x3000000}}, {Timeline{2}, Lsn{0x3000000}}};
	info.checkpointed = Timeline{2};
	info.vote = Vote{Epoch{7}, position(3, 0x5000060), Lsn{0x5000000}};
	info.message = "the disk is slow";
	info.extra.set("later", *Json::parse(R"({"x":[0.5]})"));
	return info;
}

NodeInfo full_node_info() {
	NodeInfo info;
	info.uid = KeeperUid{"k1"};
	info.phase = NodePhase::Cloning;
	info.message = "12 of 300 GB";
	info.boot_id = "9a3c2f1e-0000-4000-8000-000000000000";
	info.host = "10.0.0.1";
	info.port = 5432;
	info.db = DbUid{"0a1b2c3d"};
	info.system_id = "7123456789012345678";
	info.pg_version = 150008;
	info.last_exit = "killed by signal 9";
	DivergedData wal;
	wal.name = "postgres.diverged-20261122T025107Z";
	wal.time = "2026-11-22T02:51:07Z";
	wal.db.value = "0badcafe";
	wal.examined = true;
	wal.fork = {Timeline{1}, Lsn{0x3000158}};
	wal.end = {Timeline{2}, Lsn{0x3005000}};
	wal.commits = 7;
	wal.prepared = 2;
	wal.first_commit = "2026-11-22 02:50:00.1 UTC";
	wal.last_commit = "2026-11-22 02:50:09.2 UTC";
	DivergedData whole;
	whole.name = "postgres.diverged-20261121T000000Z";
	whole.whole = true;
	whole.problem = "the lines have no timeline in common";
	DivergedData half = wal;
	half.name = "postgres.diverged-20261122T025108Z";
	half.whole = half.half_rewound = true;
	info.diverged = {half, wal, whole};
	info.extra.set("later", Json::null());
	return info;
}

/// Every type: what is written is read back the same, twice.
template <typename T>
void expect_read_back(const T &value, Result<T> (*parse)(std::string_view),
                      std::string (*to_text)(const T &)) {
	const std::string text = to_text(value);
	const auto again = parse(text);
	ASSERT_TRUE(again.ok()) << text << ": " << again.error().message;
	EXPECT_EQ(*again, value) << text;
	EXPECT_EQ(to_text(*again), text);
	for (const std::string_view broken : {"", "[]", "null", "{", "7", "{}"})
		EXPECT_FALSE(parse(broken).ok()) << broken;
}

TEST(InfoTexts, AreReadBackTheSame) {
	expect_read_back(full_beat(), parse_beat, beat_to_text);
	expect_read_back(full_keeper_info(), parse_keeper_info, keeper_info_to_text);
	expect_read_back(full_node_info(), parse_node_info, node_info_to_text);
	expect_read_back(SentinelInfo{SentinelUid{"s1"}, "host", 77}, parse_sentinel_info,
	                 sentinel_info_to_text);
	ProxyInfo proxy;
	proxy.uid = ProxyUid{"p1"};
	proxy.generation = 3;
	proxy.epoch = Epoch{2};
	proxy.master = DbUid{"0a1b2c3d"};
	proxy.paused = true;
	proxy.paused_for = "aa";
	proxy.host = "h";
	proxy.port = 1;
	proxy.ro_port = 2;
	proxy.processes = 4;
	proxy.running = 3;
	proxy.clients = 50;
	proxy.waiting = 0;
	proxy.readers = {"h:5432", "i:5433"};
	proxy.readers_at_master = true;
	proxy.extra.set("x", Json::integer(1));
	expect_read_back(proxy, parse_proxy_info, proxy_info_to_text);
	expect_read_back(
	    HistoryEvent{5, "2024-05-01T10:00:00Z", "failover", Epoch{3}, KeeperUid{"a"},
	                 KeeperUid{"b"}, position(1, 9), position(1, 8), "expired", 1234, "aa", "done"},
	    parse_history_event, history_event_to_text);
	expect_read_back(
	    DataState{"c1", "0123456789abcdef", KeeperUid{"k1"}, DbUid{"0a1b2c3d"}, Epoch{7}, true},
	    parse_data_state, data_state_to_text);
}

TEST(InfoTexts, EveryPhaseAndRoleHasAName) {
	for (int i = 0; i <= static_cast<int>(NodePhase::Refusing); i++) {
		NodeInfo info = full_node_info();
		info.phase = static_cast<NodePhase>(i);
		EXPECT_EQ(parse_node_info(node_info_to_text(info))->phase, info.phase);
	}
	for (int i = 0; i <= static_cast<int>(PgRole::Primary); i++) {
		KeeperInfo info = full_keeper_info();
		info.role = static_cast<PgRole>(i);
		EXPECT_EQ(parse_keeper_info(keeper_info_to_text(info))->role, info.role);
	}
}

TEST(InfoTexts, LittleIsWrittenWhenLittleIsKnown) {
	KeeperInfo keeper;
	keeper.uid = KeeperUid{"k1"};
	EXPECT_EQ(keeper_info_to_text(keeper),
	          R"({"uid":"k1","generation":0,"epoch":0,"role":"unknown"})");
	NodeInfo node;
	node.uid = KeeperUid{"k1"};
	EXPECT_EQ(node_info_to_text(node), R"({"uid":"k1","phase":"waiting"})");
	EXPECT_EQ(*parse_node_info(node_info_to_text(node)), node);
}

TEST(BeatText, IsSmall) {
	EXPECT_EQ(beat_to_text(full_beat()),
	          R"({"epoch":7,"db":"0a1b2c3d","masterRevision":1234,"validMs":5000,)"
	          R"("position":{"timeline":3,"lsn":"0/5000060"},"writable":true})");
}

TEST(BeatText, ToldOfAnUnfitMasterItSaysWhyInAFewBytes) {
	Beat beat = full_beat();
	beat.unfit = "WAL flushes hang for 5s";
	beat.yielded = true;
	EXPECT_EQ(beat_to_text(beat),
	          R"({"epoch":7,"db":"0a1b2c3d","masterRevision":1234,"validMs":5000,)"
	          R"("position":{"timeline":3,"lsn":"0/5000060"},"writable":true,)"
	          R"("unfit":"WAL flushes hang for 5s","yielded":true})");
	expect_read_back(beat, parse_beat, beat_to_text);
	beat.clean = true;
	beat.found_down = true;
	expect_read_back(beat, parse_beat, beat_to_text);
	beat.unfit = std::string(255, 'x') + "\u00e4";
	const auto cut = parse_beat(beat_to_text(beat));
	ASSERT_TRUE(cut.ok()) << cut.error().message;
	EXPECT_EQ(cut->unfit, std::string(255, 'x'));
	for (const std::string &field :
	     {R"("unfit":")" + std::string(257, 'x') + "\"", std::string(R"("unfit":1)"),
	      std::string(R"("yielded":"true")")})
		EXPECT_FALSE(parse_beat(R"({"epoch":7,"db":"0a1b2c3d","masterRevision":1,"validMs":5000,)" +
		                        field + "}")
		                 .ok())
		    << field;
}

TEST(BeatText, OnlyAReleasedOneMayBeValidForNoTime) {
	Beat beat = full_beat();
	beat.valid = Duration(0);
	EXPECT_FALSE(parse_beat(beat_to_text(beat)).ok());
	beat.released = true;
	beat.reason = "stopped";
	EXPECT_EQ(*parse_beat(beat_to_text(beat)), beat);
	for (const std::string_view valid : {"-1", "600001", "1.5", "\"5s\""})
		EXPECT_FALSE(parse_beat(R"({"epoch":7,"db":"0a1b2c3d","masterRevision":1,"validMs":)" +
		                        std::string(valid) + "}")
		                 .ok())
		    << valid;
}

TEST(InfoLimits, LongMessagesAreCutBetweenCharacters) {
	NodeInfo info = full_node_info();
	info.message = std::string(1023, 'x') + "\u20ac" + std::string(5000, 'y');
	const auto again = parse_node_info(node_info_to_text(info));
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(again->message, std::string(1023, 'x'));
	info.message = std::string(2000, '\xff');
	EXPECT_TRUE(parse_node_info(node_info_to_text(info)).ok());
	info.message = std::string(1000, 'x') + std::string(500, '\x80');
	EXPECT_TRUE(parse_node_info(node_info_to_text(info)).ok());
}

TEST(InfoLimits, TheNewestHistoryIsKept) {
	KeeperInfo info = full_keeper_info();
	info.position.timeline = Timeline{101};
	info.history.clear();
	for (std::uint32_t i = 1; i <= 100; i++)
		info.history.push_back({Timeline{i}, Lsn{i * 16}});
	const auto again = parse_keeper_info(keeper_info_to_text(info));
	ASSERT_TRUE(again.ok()) << again.error().message;
	ASSERT_EQ(again->history.size(), 64u);
	EXPECT_EQ(again->history.back().timeline, Timeline{100});
}

TEST(InfoRefusals, NameThePlaceAndTheProblem) {
	const auto keeper = [](std::string_view fields) {
		const auto info = parse_keeper_info(R"({"uid":"k1",)" + std::string(fields) + "}");
		return info.ok() ? "" : info.error().message;
	};
	const std::pair<std::string_view, std::string_view> cases[] = {
	    {R"("role":"witness")", "keeper info.role: \"witness\" is not known to this version"},
	    {R"("writable":1)", "keeper info.writable: must be true or false"},
	    {R"("position":{"timeline":-1})",
	     "keeper info.position.timeline: must be an integer from 0 to 4294967295"},
	    {R"("replayed":7)", "keeper info.replayed: must be a string"},
	    {R"("history":[{"timeline":2,"end":"0/1"},{"timeline":1,"end":"0/2"}])",
	     "keeper info.history: is not in ascending order"},
	    {R"("history":[{"timeline":1,"end":"0/2"},{"timeline":2,"end":"0/1"}])",
	     "keeper info.history: is not in ascending order"},
	    {R"("history":[{"timeline":0,"end":"0/2"}])",
	     "keeper info.history: is not in ascending order"},
	    {R"("position":{"timeline":2,"lsn":"0/9"},"history":[{"timeline":2,"end":"0/2"}])",
	     "keeper info.history: has a timeline that is not older than the position's"},
	    {R"("history":[7])", "keeper info.history: must be an object"},
	    {R"("vote":{})", "keeper info.vote.epoch: is missing"},
	    {R"("vote":7)", "keeper info.vote: must be an object"},
	};
	for (const auto &[fields, message] : cases)
		EXPECT_EQ(keeper(fields), message) << fields;
	EXPECT_EQ(parse_keeper_info("{}").error().message, "keeper info.uid: is missing");
	const std::string long_message(1025, 'x');
	EXPECT_EQ(keeper(R"("message":")" + long_message + "\""),
	          "keeper info.message: has 1025 bytes; 1024 are allowed");
	EXPECT_FALSE(parse_keeper_info(std::string(64 * 1024, ' ') + R"({"uid":"k1"})").ok());
}

TEST(InfoRefusals, AHostIsNothingThatEscapesFromAFile) {
	for (const std::string_view host :
	     {"a b", "a'b", "a\\\\b", "a\\\"b", "a\\nb", "h\xc3\xa4", "a`b"}) {
		const std::string text = R"({"uid":"k1","host":")" + std::string(host) + "\"}";
		EXPECT_FALSE(parse_node_info(text).ok()) << text;
		EXPECT_FALSE(parse_proxy_info(text).ok()) << text;
	}
	EXPECT_FALSE(parse_node_info(R"({"uid":"k1","host":")" + std::string(256, 'h') + "\"}").ok());
	EXPECT_TRUE(parse_node_info(R"({"uid":"k1","host":"fe80::1%eth0"})").ok());
}

}  // namespace
}  // namespace stolon::core
