#include "server/credential_files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace knul::server {
namespace {

using ::testing::HasSubstr;

class CredentialFile : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.file(name), std::ios::binary) << bytes;
    return folder_.file(name);
  }
  static void expect_refused(const std::string& path, const std::string& reason) {
    const auto result = read_credential_file("cert_path", path);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, base::ErrorKind::kCredentials);
    EXPECT_THAT(result.error().message, HasSubstr("cert_path \"" + path + "\""));
    EXPECT_THAT(result.error().message, HasSubstr(reason));
  }

  test::TemporaryFolder folder_;
};

TEST_F(CredentialFile, GivesTheBytesOfARegularFile) {
  const std::string bytes = std::string("-----BEGIN\0", 11) + std::string(40'000, 'x');
  const auto result = read_credential_file("cert_path", write("cert.pem", bytes));
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, bytes);
}

TEST_F(CredentialFile, OfExactlyOneMebibyteIsRead) {
  const auto result = read_credential_file("cert_path", write("full.pem", std::string(1 << 20, 'x')));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->size(), std::size_t{1} << 20);
}

TEST_F(CredentialFile, ThatIsMissingIsRefusedWithTheSystemsReason) {
  expect_refused(folder_.file("none.pem"), "No such file");
}

TEST_F(CredentialFile, WithAVeryLongPathIsRefusedWithAReadableMessage) {
  const auto result = read_credential_file("cert_path", "/begin" + std::string(4'000, 'x') + "end");
  ASSERT_FALSE(result);
  EXPECT_LT(result.error().message.size(), 600U);
  EXPECT_THAT(result.error().message, ::testing::StartsWith("cert_path \"/begin"));
  EXPECT_THAT(result.error().message, HasSubstr("end\": File name too long"));
}

TEST_F(CredentialFile, ThatIsEmptyIsRefused) { expect_refused(write("empty.pem", ""), "empty"); }

TEST_F(CredentialFile, ThatIsLargerThanOneMebibyteIsRefused) {
  expect_refused(write("large.pem", std::string((1 << 20) + 1, 'x')), "larger than 1 MiB");
}

TEST_F(CredentialFile, ThatIsADirectoryIsRefused) { expect_refused(folder_.path(), "directory"); }

TEST_F(CredentialFile, ThatIsADeviceIsRefused) { expect_refused("/dev/zero", "not a regular file"); }

TEST_F(CredentialFile, ThatIsAFifoIsRefusedWithoutWaitingForAWriter) {
  const std::string path = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  expect_refused(path, "not a regular file");
}

TEST_F(CredentialFile, LeavesNoDescriptorOpen) {
  const int before = ::dup(0);
  ::close(before);
  (void)read_credential_file("cert_path", folder_.path());
  (void)read_credential_file("cert_path", write("cert.pem", "x"));
  const int after = ::dup(0);
  ::close(after);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace knul::server
