// What balancers are told about each node. No clock, no store.
#include "core/plan/node_health.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

struct World {
	ProxyInputs in;
	ReadState readers;

	World() {
		in.now = Instant{seconds(100)};
		in.view_confirmed_at = Instant{seconds(99)};
		ClusterData data;
		data.phase = ClusterPhase::Normal;
		data.epoch = Epoch{3};
		data.master = DbUid{"00000001"};
		for (const char *digit : {"1", "2"}) {
			const KeeperUid keeper{std::string("k") + digit};
			const DbUid uid{std::string("0000000") + digit};
			data.keepers[keeper].uid = keeper;
			data.keepers[keeper].db = uid;
			data.dbs[uid].uid = uid;
			data.dbs[uid].keeper = keeper;
			KeeperInfo &info = in.infos[keeper];
			info.uid = keeper;
			info.db = uid;
			info.role = PgRole::Standby;
			info.streaming = true;
		}
		in.data = data;
		readers.standbys[KeeperUid{"k2"}].db = DbUid{"00000002"};
		readers.standbys[KeeperUid{"k2"}].fit = true;
		KeeperInfo &master = in.infos[KeeperUid{"k1"}];
		master.role = PgRole::Primary;
		master.streaming = false;
		master.writable = true;
		master.writable_epoch = Epoch{3};
	}
	int ask(HealthQuestion question, const char *keeper) const {
		return answer_health(in, readers, question, KeeperUid{keeper}).status;
	}
	/// /primary, /replica and /health of both, as one text.
	std::string all() const {
		std::string text;
		for (const char *keeper : {"k1", "k2"}) {
			for (auto question :
			     {HealthQuestion::Primary, HealthQuestion::Replica, HealthQuestion::Health})
				text += ask(question, keeper) == 200 ? "y" : "n";
		}
		return text;
	}
};

TEST(NodeHealth, MasterAndStandbyAreWhatTheyAre) {
	EXPECT_EQ(World().all(), "ynynyy");
}

TEST(NodeHealth, WithoutAFreshViewNothingIsHealthy) {
	World world;
	world.in.view_confirmed_at = world.in.now - world.in.proxy_timeout;
	EXPECT_EQ(world.all(), "nnnnnn");
	world = World();
	world.in.data.reset();
	EXPECT_EQ(world.all(), "nnnnnn");
}

TEST(NodeHealth, WhileAnElectionIsOpenThereIsNoPrimary) {
	World world;
	world.in.data->election = Election{};
	world.in.data->master = {};
	// Nobody streams meanwhile; readers need not leave for that.
	world.in.infos[KeeperUid{"k2"}].streaming = false;
	EXPECT_EQ(world.all(), "nnnnyy");
}

TEST(NodeHealth, AMasterCountsOnceItIsWritableInThisEpoch) {
	World world;
	world.in.data->epoch = Epoch{4};
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 503);
	world.in.infos[KeeperUid{"k1"}].writable_epoch = Epoch{4};
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 200);
	world.in.master_released = true;
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 503);
}

TEST(NodeHealth, AMasterThatIsNotHeardStaysOneOnlyIfItWasServed) {
	World world;
	world.in.infos.erase(KeeperUid{"k1"});
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 503);
	world.in.state.master = Backend{"10.0.0.1", 5432};
	world.in.state.epoch = Epoch{3};
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 503);
	world.in.state.paused = false;
	EXPECT_EQ(world.ask(HealthQuestion::Primary, "k1"), 200);
}

TEST(NodeHealth, AStandbyThatIsNotFitForReadersIsNoReplica) {
	World world;
	world.readers.standbys[KeeperUid{"k2"}].fit = false;
	EXPECT_EQ(world.all(), "ynynnn");
	world.readers.standbys.clear();
	EXPECT_EQ(world.all(), "ynynnn");
}

TEST(NodeHealth, AnotherIncarnationOfTheDataSaysNothing) {
	World world;
	world.in.infos[KeeperUid{"k2"}].db = DbUid{"000000ff"};
	EXPECT_EQ(world.ask(HealthQuestion::Replica, "k2"), 503);
}

TEST(NodeHealth, AnUnknownKeeperIsNotFound) {
	EXPECT_EQ(World().ask(HealthQuestion::Primary, "k9"), 404);
}

}  // namespace
}  // namespace stolon::core
