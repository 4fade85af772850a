// What each pgbouncer of the read-only port is told when standbys come and go.
#include "proxy-hook/read_port.h"

#include <gtest/gtest.h>

namespace stolon::proxy {
namespace {

const core::Backend master{"10.0.0.1", 5432}, b{"10.0.0.2", 5432}, c{"10.0.0.3", 5432};

core::ReadDecision readers_at(std::vector<core::Backend> backends,
                              std::vector<core::Backend> alive) {
	core::ReadDecision decision;
	decision.backends = std::move(backends);
	decision.alive = std::move(alive);
	decision.from_master = decision.backends == std::vector{master};
	return decision;
}

TEST(ReadPort, WhoLosesAStandbyIsCutThereAndTheOthersAreLeftAlone) {
	ReadPort port(2);
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Leave);
	port.follow(readers_at({b, c}, {b, c}));
	const BouncerGoal first = port.goal(0), second = port.goal(1);
	EXPECT_EQ(first.backends, std::vector{b});
	EXPECT_EQ(second.backends, std::vector{c});
	port.follow(readers_at({c}, {c}));
	EXPECT_EQ(port.goal(0).backends, std::vector{c});
	EXPECT_NE(port.goal(0).term, first.term);
	EXPECT_EQ(port.goal(1), second);
}

TEST(ReadPort, AStandbyThatIsOnlyLeftOutFinishesWhatItAnswers) {
	ReadPort port(1);
	port.follow(readers_at({b}, {b, c}));
	const std::uint64_t term = port.goal(0).term;
	port.follow(readers_at({c}, {b, c}));
	EXPECT_EQ(port.goal(0).backends, std::vector{c});
	EXPECT_EQ(port.goal(0).term, term);
}

TEST(ReadPort, AStandbyThatWasLeftAndIsLostLaterIsCut) {
	ReadPort port(1);
	port.follow(readers_at({b}, {b, c}));
	port.follow(readers_at({c}, {b, c}));
	const std::uint64_t term = port.goal(0).term;
	port.follow(readers_at({c}, {c}));
	EXPECT_EQ(port.goal(0).backends, std::vector{c});
	EXPECT_NE(port.goal(0).term, term);
	const BouncerGoal after = port.goal(0);
	port.follow(readers_at({c}, {c}));
	EXPECT_EQ(port.goal(0), after);
}

TEST(ReadPort, WhoIsCutForOneServerThatIsLostIsSparedAtTheOthers) {
	ReadPort port(1);
	port.follow(readers_at({master}, {master}));
	port.follow(readers_at({b}, {b, c, master}));
	const std::uint64_t term = port.goal(0).term;
	// A switchover to b: the old master is nobody for a moment.
	port.follow(readers_at({c}, {b, c}));
	EXPECT_NE(port.goal(0).term, term);
	EXPECT_EQ(port.goal(0).spared, (std::vector{b, c}));
}

TEST(ReadPort, WithNowhereToGoReadersWait) {
	ReadPort port(1);
	port.follow(readers_at({}, {}));
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Leave);
	port.follow(readers_at({b}, {b}));
	port.follow(readers_at({}, {b}));
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Hold);
	port.follow(readers_at({}, {}));
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Close);
	port.follow(readers_at({b}, {b}));
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Serve);
}

TEST(ReadPort, ReadersOfTheMasterWaitWithEverybodyElse) {
	ReadPort port(1);
	port.follow(readers_at({b}, {b}));
	port.leave_master(core::ProxyGoal::Close);
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Serve);
	port.follow(readers_at({master}, {master}));
	port.leave_master(core::ProxyGoal::Queue);
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Hold);
	port.leave_master(core::ProxyGoal::Close);
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Close);
	const std::uint64_t term = port.goal(0).term;
	port.follow(readers_at({c}, {c}));
	EXPECT_EQ(port.goal(0).mode, BouncerMode::Serve);
	EXPECT_NE(port.goal(0).term, term);
}

}  // namespace
}  // namespace stolon::proxy
