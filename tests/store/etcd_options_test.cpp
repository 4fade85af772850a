// What an operator gives to reach etcd: endpoints, files, credentials.
#include <sys/stat.h>

#include <fstream>

#include "tests/store/etcd_drive.h"

namespace stolon::store::test {
namespace {

std::string write_file(const TemporaryDirectory &directory, const std::string &name,
                       const std::string &content, mode_t mode) {
	const std::string path = directory.path() + "/" + name;
	std::ofstream(path) << content;
	chmod(path.c_str(), mode);
	return path;
}

TEST(ParseEndpoints, AcceptsWhatIsUsual) {
	const auto result = parse_endpoints(
	    " http://10.0.0.1:2379, https://etcd-1.example.com:4001/,host:1,[::1]:2379,plain ");
	ASSERT_TRUE(result.ok()) << message(result);
	const std::vector<std::string> expected = {"http://10.0.0.1:2379",
	                                           "https://etcd-1.example.com:4001", "http://host:1",
	                                           "http://[::1]:2379", "http://plain:2379"};
	EXPECT_EQ(*result, expected);
}

class BadEndpoints : public testing::TestWithParam<std::pair<const char *, const char *>> {};

TEST_P(BadEndpoints, AreRefusedWithAReason) {
	const auto &[text, reason] = GetParam();
	const auto result = parse_endpoints(text);
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
	EXPECT_NE(result.error().message.find(reason), std::string::npos) << result.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadEndpoints,
    testing::Values(std::pair("", "empty"), std::pair("a:1,,b:1", "empty"),
                    std::pair("a:1,", "empty"), std::pair("ftp://a:1", "scheme"),
                    std::pair("http://:2379", "host"), std::pair("http://a:0", "port"),
                    std::pair("http://a:65536", "port"), std::pair("http://a:", "port"),
                    std::pair("http://a:12x", "port"), std::pair("http://a:1/v3", "only"),
                    std::pair("http://me:secret@a:1", "only"), std::pair("http://a b:1", "host"),
                    std::pair("http://[::1:2379", "host"),
                    std::pair("a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,"
                              "a:16,a:17",
                              "more than 16")));

TEST(CredentialsFile, GivesUserAndPassword) {
	TemporaryDirectory directory;
	const auto path = write_file(directory, "c", "stolon:pass:word \r\nignored\n", 0600);
	const auto result = read_credentials_file(path);
	ASSERT_TRUE(result.ok()) << message(result);
	EXPECT_EQ(result->first, "stolon");
	EXPECT_EQ(result->second, "pass:word ");
}

TEST(CredentialsFile, IsRefusedWhenOthersCanReadIt) {
	TemporaryDirectory directory;
	for (const mode_t mode : {0640, 0604, 0660}) {
		const auto path = write_file(directory, "c", "stolon:secret\n", mode);
		const auto result = read_credentials_file(path);
		ASSERT_FALSE(result.ok());
		EXPECT_NE(result.error().message.find("0600"), std::string::npos);
	}
}

TEST(CredentialsFile, IsRefusedWhenItMakesNoSenseAndSaysNoSecret) {
	TemporaryDirectory directory;
	for (const std::string content : {"", "secret", ":secret", "\nstolon:secret"}) {
		const auto path = write_file(directory, "c", content, 0600);
		const auto result = read_credentials_file(path);
		ASSERT_FALSE(result.ok()) << content;
		EXPECT_EQ(result.error().message.find("secret"), std::string::npos);
	}
	EXPECT_FALSE(read_credentials_file(directory.path()).ok());
	EXPECT_FALSE(read_credentials_file(directory.path() + "/absent").ok());
	EXPECT_FALSE(
	    read_credentials_file(write_file(directory, "c", std::string(9000, 'x'), 0600)).ok());
}

TEST(EtcdStoreOptions, BadOnesAreRefusedBeforeAnyConnection) {
	TemporaryDirectory directory;
	const auto readable = write_file(directory, "file", "x", 0600);
	const auto refused = [](EtcdOptions options, const char *reason) {
		const auto store = make_etcd_store(std::move(options));
		ASSERT_FALSE(store.ok());
		EXPECT_EQ(store.error().kind, ErrorKind::Invalid);
		EXPECT_NE(store.error().message.find(reason), std::string::npos) << store.error().message;
	};
	EtcdOptions options;
	refused(options, "endpoints");
	options.endpoints = {"http://127.0.0.1:1"};
	EXPECT_TRUE(make_etcd_store(options).ok());

	EtcdOptions absent_ca = options;
	absent_ca.ca_file = directory.path() + "/absent";
	refused(absent_ca, "CA file");
	EtcdOptions no_key = options;
	no_key.cert_file = readable;
	refused(no_key, "both");
	EtcdOptions folder_key = no_key;
	folder_key.key_file = directory.path();
	refused(folder_key, "key file");
	EtcdOptions no_user = options;
	no_user.password = "secret";
	refused(no_user, "no user");
}

}  // namespace
}  // namespace stolon::store::test
