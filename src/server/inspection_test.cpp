#include <krepis/inspect.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "posix/file_descriptor.hpp"
#include "support/certificate_maker.hpp"
#include "support/temporary_folder.h"
#include "udp/udp_socket.hpp"

namespace krepis {
namespace {

namespace base = knul::base;
namespace udp = knul::udp;
using knul::test::CertificateRequest;
using knul::test::MadeCertificate;

class Inspection : public testing::Test {
 protected:
  std::vector<Finding> rows(const CertificateRequest& request,
                            nlohmann::json settings = nlohmann::json::object()) {
    const MadeCertificate made(request);
    settings["cert_pem"] = made.certificate();
    settings["key_pem"] = made.key();
    return inspect(settings.dump()).value();
  }
  static Finding row(const std::vector<Finding>& rows, std::string_view name) {
    const auto found = std::ranges::find(rows, name, &Finding::name);
    return found == rows.end() ? Finding{.name = "missing"} : *found;
  }
};

TEST_F(Inspection, FindsAGoodCertificateAndAFreePort) {
  const auto found = rows({.dns_names = {"example.test"}, .ends_in_seconds = 60LL * 24 * 3'600});
  EXPECT_EQ(row(found, "certificate").level, FindingLevel::kOk);
  EXPECT_NE(row(found, "certificate").found.find("example.test"), std::string::npos);
  EXPECT_EQ(row(found, "port").level, FindingLevel::kOk);
  EXPECT_EQ(row(found, "descriptors").name, "descriptors");
  EXPECT_EQ(row(found, "clock").name, "clock");
}

TEST_F(Inspection, FailsForAnExpiredAndForAFutureCertificate) {
  const auto expired = row(rows({.begins_in_seconds = -7'200, .ends_in_seconds = -3'600}), "certificate");
  EXPECT_EQ(expired.level, FindingLevel::kFailure);
  EXPECT_NE(expired.found.find("expired"), std::string::npos);
  const auto future = row(rows({.begins_in_seconds = 3'600}), "certificate");
  EXPECT_EQ(future.level, FindingLevel::kFailure);
  EXPECT_NE(future.found.find("not valid before"), std::string::npos);
}

TEST_F(Inspection, LeavesNoSocketOfTheAdminListenerBehind) {
  const knul::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/admin.sock";
  const auto found = rows({}, {{"admin", "unix:" + path}});
  EXPECT_EQ(row(found, "admin port").level, FindingLevel::kOk);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Inspection, WarnsOfAKeyLogAndDoesNotCreateIt) {
  const knul::test::TemporaryFolder folder;
  const auto found = rows({}, {{"key_log_path", folder.file("keys")}});
  EXPECT_EQ(row(found, "key log").level, FindingLevel::kWarning);
  EXPECT_FALSE(std::filesystem::exists(folder.file("keys")));
}

TEST_F(Inspection, FailsForLogsThatCannotBeWritten) {
  const auto found = rows({}, {{"key_log_path", "/nowhere/keys"}, {"qlog_folder", "/nowhere/qlog"}});
  EXPECT_EQ(row(found, "key log").level, FindingLevel::kFailure);
  EXPECT_EQ(row(found, "qlog").level, FindingLevel::kFailure);
  EXPECT_NE(row(found, "qlog").found.find("qlog_folder is \"/nowhere/qlog\""), std::string::npos);
}

TEST_F(Inspection, WarnsOfQlogInAFolderThatCanBeWritten) {
  const knul::test::TemporaryFolder folder;
  EXPECT_EQ(row(rows({}, {{"qlog_folder", folder.path()}}), "qlog").level, FindingLevel::kWarning);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(Inspection, NamesTheClientAuthorities) {
  const MadeCertificate authority({.is_authority = true});
  const auto found = rows({}, {{"client_auth", "required"}, {"client_ca_pem", authority.certificate()}});
  EXPECT_EQ(row(found, "client authorities").level, FindingLevel::kOk);
  EXPECT_EQ(row(found, "client authorities").found.find("client_ca_pem: 1 certificate"), 0U);
}

TEST_F(Inspection, LeavesTheSocketOfListenFdUnchanged) {
  const knul::posix::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  ASSERT_EQ(::bind(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const int one = 1;
  ASSERT_EQ(::setsockopt(socket.value(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
  const auto found = rows({}, {{"listen_fd", socket.value()}, {"workers", 2}});
  EXPECT_EQ(row(found, "port").level, FindingLevel::kOk);
  EXPECT_EQ(::fcntl(socket.value(), F_GETFL) & O_NONBLOCK, 0);
  int packet_info = -1;
  socklen_t length = sizeof packet_info;
  ASSERT_EQ(::getsockopt(socket.value(), IPPROTO_IP, IP_PKTINFO, &packet_info, &length), 0);
  EXPECT_EQ(packet_info, 0);
}

TEST_F(Inspection, AdvisesOnAPortThatIsTaken) {
  base::NullLogSink log;
  const auto taken = udp::UdpSocket::open({.address = *base::SocketAddress::parse("127.0.0.1", 0)}, log);
  ASSERT_TRUE(taken);
  const auto port = row(rows({}, {{"port", taken->local_address().port()}}), "port");
  EXPECT_EQ(port.level, FindingLevel::kFailure);
  EXPECT_EQ(port.advice, "choose another port or stop the server that uses this one");
  EXPECT_EQ(port.found.find("choose"), std::string::npos);
}

TEST_F(Inspection, OfSettingsAloneFailsForLogsThatCannotBeWritten) {
  const MadeCertificate made(CertificateRequest{});
  ServerOptions options;
  options.cert_pem = made.certificate();
  options.key_pem = made.key();
  EXPECT_TRUE(QuicServer::check(options));
  options.qlog_folder = "/nowhere/qlog";
  EXPECT_EQ(QuicServer::check(options).error().message.find("qlog_folder is"), 0U);
  options.qlog_folder.clear();
  options.key_log_path = "/nowhere/keys";
  EXPECT_EQ(QuicServer::check(options).error().message.find("key_log_path is"), 0U);
}

TEST_F(Inspection, RefusesAWrongSetting) {
  const auto refused = inspect(R"({"workers":65})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidRequest);
}

}  // namespace
}  // namespace krepis
