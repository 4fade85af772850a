// What the launcher's tests need: a directory of their own, PostgreSQL's programs, an ordinary user
// (Postgres refuses root), and orphans that come to us as they come to the launcher.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "launcher/data_dir.h"
#include "launcher/paths.h"
#include "launcher/postmaster.h"

namespace stolon::launcher::test {

/// PostgreSQL's programs, by pg_config (of $PG_CONFIG if that is set).
const std::string &bin_path();

/// A port that nobody listens on at the moment.
int free_port();

std::string read_file(const std::string &path);
void write_file(const std::string &path, const std::string &text, unsigned mode = 0600);

/// Asks again every few milliseconds, for at most 30 s.
bool eventually(const std::function<bool()> &condition);

/// A command's stdout, without the last newline; the test fails when it does not exit with 0.
std::string output_of(const std::vector<std::string> &argv,
                      const std::vector<std::pair<std::string, std::string>> &environment = {});

/// A test with a data directory that is removed afterwards. Servers that were registered are
/// stopped before.
class DataDirTest : public testing::Test {
protected:
	DataDirTest();
	~DataDirTest() override;

	/// Something that inspect() takes for a complete directory, without a server's help.
	void make_fake_data(const std::string &directory, const std::string &keeper = "k1",
	                    const std::string &db = "aaaaaaaa",
	                    const std::string &cluster_name = "main");
	/// A plain database with trust authentication, and no stolon in it.
	void make_plain_database(const std::string &directory, int port);
	std::string sql(int port, const std::string &statement);
	void stop_at_end(const std::string &pgdata) { servers_.push_back(pgdata); }

	Paths paths_;
	Identity identity_{"main", core::KeeperUid{"k1"}};

private:
	std::vector<std::string> servers_;
};

}  // namespace stolon::launcher::test
