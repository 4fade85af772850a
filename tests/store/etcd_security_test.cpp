// TLS and authentication, against real etcds.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/store/etcd_drive.h"
#include "tests/store/scripted_server.h"

namespace stolon::store::test {
namespace {

/// A CA, a server's and a client's certificate, made by openssl.
class Certificates {
public:
	Certificates() {
		ok_ =
		    make_ca("ca") && make_ca("other-ca") && make_signed("server") && make_signed("client");
	}
	bool ok() const { return ok_; }
	std::string file(const std::string &name) const { return directory_.path() + "/" + name; }

private:
	bool make_ca(const std::string &name) {
		return run_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
		                    "/CN=" + name, "-keyout", file(name + ".key"), "-out",
		                    file(name + ".crt")}) == 0;
	}
	bool make_signed(const std::string &name) {
		std::ofstream(file(name + ".ext")) << "subjectAltName=IP:127.0.0.1\n"
		                                      "extendedKeyUsage=serverAuth,clientAuth\n";
		return run_program({"openssl", "req", "-newkey", "ec", "-pkeyopt",
		                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
		                    "-keyout", file(name + ".key"), "-out", file(name + ".csr")}) == 0 &&
		       run_program({"openssl", "x509", "-req", "-in", file(name + ".csr"), "-CA",
		                    file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days",
		                    "2", "-extfile", file(name + ".ext"), "-out", file(name + ".crt")}) ==
		           0;
	}

	TemporaryDirectory directory_;
	bool ok_ = false;
};

class EtcdTls : public testing::Test {
protected:
	static void SetUpTestSuite() {
		certificates = std::make_unique<Certificates>();
		ASSERT_TRUE(certificates->ok());
		etcd = std::make_unique<EtcdProcess>(EtcdFiles{certificates->file("ca.crt"),
		                                               certificates->file("server.crt"),
		                                               certificates->file("server.key")});
		ASSERT_TRUE(etcd->running());
	}
	static void TearDownTestSuite() {
		etcd.reset();
		certificates.reset();
	}
	EtcdOptions options() const {
		EtcdOptions result;
		result.endpoints = {etcd->url()};
		result.ca_file = certificates->file("ca.crt");
		result.cert_file = certificates->file("client.crt");
		result.key_file = certificates->file("client.key");
		return result;
	}

	static std::unique_ptr<Certificates> certificates;
	static std::unique_ptr<EtcdProcess> etcd;
};

std::unique_ptr<Certificates> EtcdTls::certificates;
std::unique_ptr<EtcdProcess> EtcdTls::etcd;

TEST_F(EtcdTls, WorksWithCaAndClientCertificate) {
	auto store = open_etcd(options());
	const auto written = put(*store, "a", "1");
	ASSERT_TRUE(written.ok()) << message(written);
	int events = 0;
	WatchHandler handler;
	handler.events = [&](std::int64_t, const auto &) { events++; };
	store->watch({"a", {}, written->revision}, handler);
	EXPECT_TRUE(run_real_until(
	    {store.get()}, [&] { return events == 1; }, seconds(5)));
}

TEST_F(EtcdTls, ServerOfAnotherCaIsRefusedAndNothingIsSent) {
	EtcdOptions wrong = options();
	wrong.ca_file = certificates->file("other-ca.crt");
	auto store = open_etcd(std::move(wrong));
	const auto written = put(*store, "a", "1");
	ASSERT_FALSE(written.ok());
	EXPECT_EQ(written.error().kind, ErrorKind::Unavailable) << written.error().message;
	EXPECT_NE(written.error().message.find("certificate"), std::string::npos);
}

void copy_file(const std::string &from, const std::string &to) {
	std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
}

TEST_F(EtcdTls, FilesAreReadWhenTheStoreIsOpenedAndNotForEachConnection) {
	TemporaryDirectory directory;
	EtcdOptions moved = options();
	for (std::string *path : {&moved.ca_file, &moved.cert_file, &moved.key_file}) {
		const std::string copy = directory.path() + "/" + path->substr(path->rfind('/') + 1);
		copy_file(*path, copy);
		*path = copy;
	}
	auto store = open_etcd(moved);
	std::filesystem::remove(moved.ca_file);
	std::filesystem::remove(moved.cert_file);
	std::filesystem::remove(moved.key_file);
	const auto written = put(*store, "a", "1");
	EXPECT_TRUE(written.ok()) << message(written);
}

TEST_F(EtcdTls, RenewedFilesAreReadAfterAConnectionWasRefused) {
	TemporaryDirectory directory;
	EtcdOptions renewed = options();
	renewed.ca_file = directory.path() + "/ca.crt";
	copy_file(certificates->file("other-ca.crt"), renewed.ca_file);
	auto store = open_etcd(renewed);
	EXPECT_FALSE(put(*store, "a", "1").ok());
	copy_file(certificates->file("ca.crt"), renewed.ca_file);
	const auto written = put(*store, "a", "1");
	EXPECT_TRUE(written.ok()) << message(written);
}

TEST_F(EtcdTls, ClientWithoutCertificateGetsNothing) {
	EtcdOptions none = options();
	none.cert_file.clear();
	none.key_file.clear();
	auto store = open_etcd(std::move(none));
	const auto read = range(*store, "a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Unavailable);
}

TEST_F(EtcdTls, PlainHttpToATlsServerIsUnavailable) {
	std::string url = etcd->url();
	url.replace(0, 5, "http");
	auto store = open_etcd({url});
	const auto read = range(*store, "a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Unavailable);
}

class EtcdAuth : public testing::Test {
protected:
	static void SetUpTestSuite() {
		etcd = std::make_unique<EtcdProcess>();
		ASSERT_TRUE(etcd->running());
		const std::vector<std::vector<std::string>> commands = {
		    {"user", "add", "root:rootpw"},
		    {"user", "grant-role", "root", "root"},
		    {"role", "add", "stolon"},
		    {"role", "grant-permission", "stolon", "--prefix=true", "readwrite", "c/"},
		    {"user", "add", "stolon:secret"},
		    {"user", "grant-role", "stolon", "stolon"},
		    {"auth", "enable"},
		};
		for (const auto &command : commands)
			ASSERT_EQ(0, etcd->ctl(command)) << command[0] << " " << command[1];
	}
	static void TearDownTestSuite() { etcd.reset(); }
	EtcdOptions options(const std::string &password = "secret") const {
		EtcdOptions result;
		result.endpoints = {etcd->url()};
		result.user = "stolon";
		result.password = password;
		return result;
	}
	/// Makes etcd forget all tokens: any change of users does that.
	void outdate_tokens() {
		static int changes = 0;
		ASSERT_EQ(0, etcd->ctl({"--user=root:rootpw", "user", "add",
		                        "other" + std::to_string(changes++) + ":pw"}));
	}

	static std::unique_ptr<EtcdProcess> etcd;
};

std::unique_ptr<EtcdProcess> EtcdAuth::etcd;

TEST_F(EtcdAuth, UserReadsAndWritesWhatItMay) {
	auto store = open_etcd(options());
	const auto written = put(*store, "c/a", "1");
	ASSERT_TRUE(written.ok()) << message(written);
	EXPECT_EQ(range(*store, "c/a")->kvs.size(), 1u);
	const auto foreign = put(*store, "d/a", "1");
	ASSERT_FALSE(foreign.ok());
	EXPECT_EQ(foreign.error().kind, ErrorKind::Denied);
}

TEST_F(EtcdAuth, WrongPasswordIsDeniedAndNotRepeated) {
	auto store = open_etcd(options("wrong"));
	const auto read = range(*store, "c/a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Denied);
	EXPECT_EQ(read.error().message.find("wrong"), std::string::npos);
}

TEST_F(EtcdAuth, NoUserIsDenied) {
	auto store = open_etcd({etcd->url()});
	const auto read = range(*store, "c/a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Denied);
}

TEST_F(EtcdAuth, OutdatedTokenIsRenewedUnderReadsAndWrites) {
	auto store = open_etcd(options());
	ASSERT_TRUE(put(*store, "c/a", "1").ok());
	outdate_tokens();
	const auto read = range(*store, "c/a");
	EXPECT_TRUE(read.ok()) << message(read);
	outdate_tokens();
	const auto written = put(*store, "c/a", "2");
	EXPECT_TRUE(written.ok()) << message(written);
}

TEST_F(EtcdAuth, TokenOfARestartedEtcdIsRenewed) {
	auto store = open_etcd(options());
	ASSERT_TRUE(put(*store, "c/a", "1").ok());
	etcd->stop();
	etcd->start();
	ASSERT_TRUE(etcd->running());
	const auto written = put(*store, "c/a", "2");
	EXPECT_TRUE(written.ok()) << message(written);
}

TEST_F(EtcdAuth, WatchWorksAndRenewsItsToken) {
	auto store = open_etcd(options());
	const auto written = put(*store, "c/a", "1");
	ASSERT_TRUE(written.ok());
	// etcd answers a watch with a token that it does not know by "permission denied".
	etcd->stop();
	etcd->start();
	ASSERT_TRUE(etcd->running());
	int events = 0;
	std::vector<Error> failures;
	WatchHandler handler;
	handler.events = [&](std::int64_t, const auto &) { events++; };
	handler.failed = [&](const Error &error) { failures.push_back(error); };
	store->watch({"c/a", {}, written->revision}, handler);
	EXPECT_TRUE(run_real_until(
	    {store.get()}, [&] { return events == 1; }, seconds(5)))
	    << (failures.empty() ? "" : failures[0].message);
}

TEST_F(EtcdAuth, WatchOfForeignKeysIsDenied) {
	auto store = open_etcd(options());
	std::vector<Error> failures;
	WatchHandler handler;
	handler.failed = [&](const Error &error) { failures.push_back(error); };
	store->watch({"d/", prefix_end("d/"), 0}, handler);
	ASSERT_TRUE(run_real_until(
	    {store.get()}, [&] { return !failures.empty(); }, seconds(5)));
	EXPECT_EQ(failures[0].kind, ErrorKind::Denied);
}

TEST_F(EtcdAuth, ManyRequestsAtOnceFetchOneToken) {
	std::atomic<int> fetched = 0;
	ScriptedServer server([&](const auto &request) {
		if (request.path == "/v3/auth/authenticate") {
			fetched++;
			return json_answer(R"({"header":{"cluster_id":"7","revision":"1"},"token":"abc"})");
		}
		const bool authorized = request.headers.find("Authorization: abc") != std::string::npos;
		return json_answer(R"({"header":{"cluster_id":"7","revision":"1"}})",
		                   authorized ? 200 : 500);
	});
	EtcdOptions wanted = options();
	wanted.endpoints = {server.url()};
	auto store = open_etcd(std::move(wanted));
	int answered = 0;
	for (int i = 0; i < 5; i++) {
		store->range({"a", {}, 0}, seconds(5), [&](const auto &result) {
			EXPECT_TRUE(result.ok());
			answered++;
		});
	}
	EXPECT_TRUE(run_real_until(
	    {store.get()}, [&] { return answered == 5; }, seconds(5)));
	EXPECT_EQ(fetched, 1);
}

TEST_F(EtcdAuth, SilentEndpointWhileFetchingATokenLeavesTimeForAnother) {
	SilentListener silent;
	EtcdOptions wanted = options();
	wanted.endpoints = {silent.url(), etcd->url()};
	auto store = open_etcd(std::move(wanted));
	const auto written = put(*store, "c/a", "1", seconds(3));
	EXPECT_TRUE(written.ok()) << message(written);
}

TEST(EtcdAuthDisabled, UserAndPasswordDoNoHarm) {
	EtcdOptions options;
	options.endpoints = {shared_etcd().etcd.url()};
	options.user = "stolon";
	options.password = "secret";
	auto store = open_etcd(std::move(options));
	const auto written = put(*store, "auth/a", "1");
	EXPECT_TRUE(written.ok()) << message(written);
}

// ---- What must not leak into or out of the process

std::set<int> open_fds() {
	std::set<int> fds;
	DIR *directory = opendir("/proc/self/fd");
	while (const dirent *entry = readdir(directory)) {
		if (entry->d_name[0] != '.')
			fds.insert(std::atoi(entry->d_name));
	}
	fds.erase(dirfd(directory));
	closedir(directory);
	return fds;
}

TEST(EtcdProcessHygiene, SocketsAreNotInheritedAndAllIsClosedAtTheEnd) {
	shared_etcd();
	const std::set<int> before = open_fds();
	auto store = open_etcd({shared_etcd().etcd.url()});
	store->watch({"a", {}, 0}, {});
	ASSERT_TRUE(range(*store, "a").ok());
	int sockets = 0;
	for (const int fd : open_fds()) {
		struct sockaddr_storage address {};
		socklen_t length = sizeof(address);
		const bool inet = getpeername(fd, reinterpret_cast<sockaddr *>(&address), &length) == 0 &&
		                  address.ss_family == AF_INET;
		if (before.contains(fd) || !inet)
			continue;
		sockets++;
		EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	}
	EXPECT_EQ(sockets, 2);
	EXPECT_NE(fcntl(store->fd(), F_GETFD) & FD_CLOEXEC, 0);
	store.reset();
	EXPECT_EQ(open_fds(), before);
}

TEST(EtcdProcessHygiene, SignalMaskIsAsBefore) {
	sigset_t before, after;
	pthread_sigmask(SIG_SETMASK, nullptr, &before);
	EtcdOptions options;
	options.endpoints = {shared_etcd().etcd.url()};
	options.block_signals = true;
	auto store = open_etcd(std::move(options));
	ASSERT_TRUE(range(*store, "a").ok());
	store.reset();
	pthread_sigmask(SIG_SETMASK, nullptr, &after);
	for (int signal = 1; signal < 32; signal++)
		EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal));
}

}  // namespace
}  // namespace stolon::store::test
