// Where the WAL of a server that was shut down ends: exact, or not told at all.
#include "launcher/control_file.h"

#include <signal.h>

#include <cstring>

#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

constexpr std::uint64_t segment = 1024 * 1024;

std::string control_text(const std::string &state, const std::string &location) {
	return "pg_control version number:            1300\n"
	       "Database cluster state:               " +
	       state + "\nLatest checkpoint location:           " + location +
	       "\nLatest checkpoint's TimeLineID:       2\n"
	       "WAL block size:                       8192\n"
	       "Bytes per WAL segment:                1048576\n";
}

class ControlFile : public DataDirTest {
protected:
	/// A segment file of timeline 2 with the header of a record.
	void put_record(std::uint64_t lsn, std::uint32_t length, unsigned char info = 0,
	                unsigned char manager = 0) {
		std::filesystem::create_directories(paths_.pgdata() + "/pg_wal");
		char name[64];
		std::snprintf(name, sizeof name, "/pg_wal/00000002%08X%08X",
		              static_cast<unsigned>(lsn >> 32),
		              static_cast<unsigned>((lsn & 0xffffffff) / segment));
		std::string content(segment, '\0');
		std::memcpy(&content[lsn % segment], &length, sizeof length);
		content[lsn % segment + 16] = static_cast<char>(info);
		content[lsn % segment + 17] = static_cast<char>(manager);
		write_file(paths_.pgdata() + name, content);
	}
	std::string end(const std::string &state, std::uint64_t lsn) {
		const auto end =
		    clean_end_in(control_text(state, core::Lsn{lsn}.to_string()), paths_.pgdata());
		return end ? end->to_string() : "";
	}
};

TEST_F(ControlFile,
       the_end_lies_behind_the_record_and_the_headers_of_the_pages_that_it_goes_on_to) {
	const struct {
		std::uint64_t begin;
		const char *end;
	} cases[] = {
	    {0x300000028, "timeline 2 at 3/A0"},
	    {0x100002000 - 120, "timeline 2 at 1/2000"},    // up to the very end of a page
	    {0x100002000 - 112, "timeline 2 at 1/2020"},    // 2 bytes on the next one: 24 + 8
	    {0x100100000 - 112, "timeline 2 at 1/100030"},  // on the next segment: 40 + 8
	    {0x100002000 - 24, "timeline 2 at 1/2078"},
	};
	for (const auto &one : cases) {
		put_record(one.begin, 114);
		EXPECT_EQ(end("shut down", one.begin), one.end);
	}
}

TEST_F(ControlFile, nothing_is_told_of_any_other_end) {
	put_record(0x300000028, 114);
	EXPECT_NE(end("shut down", 0x300000028), "");
	for (const char *state : {"in production", "shutting down", "shut down in recovery",
	                          "in archive recovery", "starting up", ""})
		EXPECT_EQ(end(state, 0x300000028), "") << state;
	EXPECT_EQ(end("shut down", 0x400000028), "") << "its WAL is not there";
	EXPECT_EQ(end("shut down", 0x300000030), "") << "there is no record";
	EXPECT_FALSE(clean_end_in(
	    "WARNING: Calculated CRC checksum does not match\n" + control_text("shut down", "3/28"),
	    paths_.pgdata()));
	put_record(0x300000028, 114, 0x10);
	EXPECT_EQ(end("shut down", 0x300000028), "") << "an online checkpoint";
	put_record(0x300000028, 114, 0, 10);
	EXPECT_EQ(end("shut down", 0x300000028), "") << "a record of something else";
	put_record(0x300000028, 70000);
	EXPECT_EQ(end("shut down", 0x300000028), "");
	put_record(0x100002000 - 16, 114);
	EXPECT_EQ(end("shut down", 0x100002000 - 16), "") << "its header is not in one piece";
}

// pg_waldump says where it finds no record any more.
TEST_F(ControlFile, a_real_servers_end_is_where_its_wal_ends) {
	const int port = free_port();
	make_plain_database(paths_.pgdata(), port);
	for (int round = 0; round < 4; ++round) {
		auto server = Postmaster::start(bin_path(), paths_.pgdata(), paths_.server_log());
		ASSERT_TRUE(server.ok());
		stop_at_end(paths_.pgdata());
		ASSERT_TRUE(
		    eventually([&] { return accepts_connections(paths_.pgdata(), server->pid()); }));
		EXPECT_FALSE(clean_end(bin_path(), paths_.pgdata())) << "it runs";
		const std::string begin = sql(port, "select pg_current_wal_lsn()");
		sql(port, "select pg_logical_emit_message(false, 'x', repeat('y', " +
		              std::to_string(1000 + 1777 * round) + "))");
		server->send(round < 3 ? SIGINT : SIGQUIT);
		ASSERT_TRUE(eventually([&] { return !server->poll_end().empty(); }));
		const auto end = clean_end(bin_path(), paths_.pgdata());
		ASSERT_EQ(end.has_value(), round < 3) << "an immediate stop is none";
		if (!end)
			break;
		const std::string dump =
		    output_of({"/bin/sh", "-c",
		               "'" + bin_path() + "/pg_waldump' -p '" + paths_.pgdata() + "/pg_wal' -s " +
		                   begin + " 2>&1 | tail -n 1"});
		EXPECT_NE(dump.find(" at " + end->lsn.to_string() + ":"), std::string::npos)
		    << dump << ", told: " << end->to_string();
	}
}

}  // namespace
}  // namespace stolon::launcher::test
