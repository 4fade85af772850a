// What external balancers are told about one node, from the view: a pure function.
#pragma once

#include <string>

#include "core/plan/proxy_plan.h"
#include "core/plan/read_plan.h"

namespace stolon::core {

enum class HealthQuestion {
	Primary,  ///< may clients that write be sent there?
	Replica,  ///< is it a standby that is fit for readers?
	Health,   ///< either of the two
};

struct HealthAnswer {
	int status = 503;  ///< of HTTP: 200 yes, 503 no, 404 there is no such keeper
	std::string text;  ///< one sentence
};

/// `inputs` as for plan_proxy(); its proxy_timeout is how old the view may be. `readers`: of the
/// last plan_readers(). As long as there is no master, no standby streams, and the ones that were
/// fit go on to be.
HealthAnswer answer_health(const ProxyInputs &inputs, const ReadState &readers,
                           HealthQuestion question, const KeeperUid &keeper);

}  // namespace stolon::core
