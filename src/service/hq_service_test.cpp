#include "service/hq_service.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "service/fake_connection_test_support.hpp"
#include "service/hq_request.hpp"
#include "support/temporary_folder.h"

namespace knul::service {
namespace {

using krepis::Fin;
using test_support::deliver;
using test_support::FakeConnection;

constexpr krepis::StreamId kStream = 0;

// A folder `root` with files, beside a file that must never be read.
class TheHqService : public testing::Test {
 protected:
  TheHqService() {
    std::filesystem::create_directories(folder_ / "root/sub");
    put("secret", "outside");
    put("root/file", "content");
    put("root/empty", "");
    put("root/sub/100%41", "percent");
    put("root/large", std::string(3 * HqService::kChunkBytes + 5, 'L'));
    std::filesystem::create_symlink("../secret", folder_ / "root/leaves");
    std::filesystem::create_symlink(folder_, folder_ / "root/sub/up");
    std::filesystem::create_symlink("file", folder_ / "root/stays");
    EXPECT_EQ(::mkfifo((folder_ / "root/fifo").c_str(), 0600), 0);
    service = std::make_unique<HqService>(
        std::make_shared<const FileRoot>(*FileRoot::open((folder_ / "root").string())));
  }

  void put(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  const test_support::FakeStream& ask(const std::string& request) {
    const krepis::StreamId stream = 4 * asked_++;
    deliver(*service, connection, stream, request, Fin::kYes);
    return connection.streams[stream];
  }

  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::unique_ptr<HqService> service;
  FakeConnection connection;
  krepis::StreamId asked_ = 0;
};

TEST_F(TheHqService, SendsAFileWithEveryKindOfLineEnd) {
  for (const char* const request : {"GET /file\r\n", "GET /file\n", "GET /file", "GET /file\r\nignored"}) {
    const auto& answer = ask(request);
    EXPECT_EQ(answer.sent, "content") << request;
    EXPECT_TRUE(answer.has_fin) << request;
  }
}

TEST_F(TheHqService, AnswersBeforeTheStreamEnds) {
  deliver(*service, connection, kStream, "GET /fi");
  deliver(*service, connection, kStream, "le\r\n");
  EXPECT_EQ(connection.streams[kStream].sent, "content");
}

TEST_F(TheHqService, SendsAnEmptyFileAsAnEmptyStream) { EXPECT_TRUE(ask("GET /empty\r\n").has_fin); }

TEST_F(TheHqService, TakesPercentSignsLiterally) {
  EXPECT_EQ(ask("GET /sub/100%41\r\n").sent, "percent");
  EXPECT_EQ(ask("GET /%66ile\r\n").reset_code, to_wire(ServiceCode::kHqNotFound));
}

TEST_F(TheHqService, SendsALargeFileAsRoomComes) {
  connection.streams[kStream].room = 70'000;
  deliver(*service, connection, kStream, "GET /large\r\n", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 70'000U);
  EXPECT_EQ(service->open_files(), 1U);
  connection.streams[kStream].room = 1 << 30;
  service->on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent, std::string(3 * HqService::kChunkBytes + 5, 'L'));
  EXPECT_TRUE(connection.streams[kStream].has_fin);
  EXPECT_EQ(service->open_files(), 0U);
}

TEST_F(TheHqService, RefusesEveryWayOutOfTheRoot) {
  for (const std::string path : {"/../secret", "/sub/../../secret", "//etc/passwd", "/leaves",
                                 "/sub/up/secret", "/sub/up/root/file"}) {
    const auto& answer = ask("GET " + path + "\r\n");
    EXPECT_EQ(answer.reset_code, to_wire(ServiceCode::kHqForbidden)) << path;
    EXPECT_EQ(answer.sent, "") << path;
  }
}

TEST_F(TheHqService, FollowsALinkThatStaysInside) { EXPECT_EQ(ask("GET /stays\r\n").sent, "content"); }

TEST_F(TheHqService, FindsOnlyRegularFiles) {
  for (const char* const path : {"/nothing", "/sub", "/sub/", "/fifo", "/file/x", "/."}) {
    EXPECT_EQ(ask(std::string("GET ") + path + "\r\n").reset_code, to_wire(ServiceCode::kHqNotFound)) << path;
  }
}

TEST_F(TheHqService, RefusesWhatIsNotARequest) {
  using namespace std::string_literals;
  for (const std::string& request : {""s, "\r\n"s, "GET"s, "GET file\r\n"s, "GET /\r\n"s, "POST /file\r\n"s,
                                     "get /file\r\n"s, "GET /file\0.txt\r\n"s, "GET /fi\x7fle\r\n"s}) {
    EXPECT_EQ(ask(request).reset_code, to_wire(ServiceCode::kHqBadRequest)) << request;
  }
}

TEST_F(TheHqService, RefusesARequestThatIsTooLong) {
  const std::string longest = "GET /" + std::string(kMaxHqRequestBytes - 5, 'a');
  deliver(*service, connection, kStream, longest);
  EXPECT_FALSE(connection.streams[kStream].reset_code.has_value());
  deliver(*service, connection, kStream, "a");
  EXPECT_EQ(connection.streams[kStream].reset_code, to_wire(ServiceCode::kHqRequestTooLong));
  EXPECT_EQ(connection.streams[kStream].stop_code, to_wire(ServiceCode::kHqRequestTooLong));
  EXPECT_EQ(connection.streams[kStream].consumed, longest.size() + 1);
}

// Stalled streams, twice as many as files may be open.
constexpr std::size_t kStanding = 2 * OpenFiles::kMost;

TEST_F(TheHqService, ServesOthersWhileReadersThatStandStillHaveAllFilesOpen) {
  FakeConnection standing(2);
  for (std::size_t n = 0; n < kStanding; ++n) {
    standing.streams[4 * n].room = 1;
    deliver(*service, standing, 4 * n, "GET /file\r\n", Fin::kYes);
    EXPECT_LE(service->open_files(), OpenFiles::kMost);
  }
  EXPECT_EQ(service->open_files(), OpenFiles::kMost);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ask("GET /file\r\n").sent, "content");
  }
  // The stalled streams continue where they stopped.
  for (std::size_t n = 0; n < kStanding; ++n) {
    standing.streams[4 * n].room = 1 << 30;
    service->on_stream_writable(standing.streams[4 * n]);
    EXPECT_EQ(standing.streams[4 * n].sent, "content");
    EXPECT_TRUE(standing.streams[4 * n].has_fin);
  }
  EXPECT_EQ(service->open_files(), 0U);
}

TEST_F(TheHqService, SendsNoPartOfAnotherFileThatHasTheSameNameByNow) {
  connection.streams[kStream].room = 1;
  deliver(*service, connection, kStream, "GET /file\r\n", Fin::kYes);
  FakeConnection standing(2);
  for (std::size_t n = 0; n < OpenFiles::kMost; ++n) {
    standing.streams[4 * n].room = 1;
    deliver(*service, standing, 4 * n, "GET /large\r\n", Fin::kYes);
  }
  put("root/new", "CONTENT");
  std::filesystem::rename(folder_ / "root/new", folder_ / "root/file");
  connection.streams[kStream].room = 1 << 30;
  service->on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent, "c");
  EXPECT_EQ(connection.streams[kStream].reset_code, to_wire(ServiceCode::kHqReadFailed));
}

TEST_F(TheHqService, ClosesAllFilesOfAConnectionThatEnds) {
  for (std::size_t n = 0; n < kStanding; ++n) {
    connection.streams[4 * n].room = 0;
    deliver(*service, connection, 4 * n, "GET /file\r\n", Fin::kYes);
  }
  service->on_connection_closed(connection, {});
  EXPECT_EQ(service->open_files(), 0U);
}

TEST_F(TheHqService, ClosesTheFileWhenTheClientGivesUp) {
  connection.streams[kStream].room = 1;
  deliver(*service, connection, kStream, "GET /file\r\n", Fin::kYes);
  EXPECT_EQ(service->open_files(), 1U);
  service->on_stop_sending(connection.streams[kStream], 9);
  EXPECT_EQ(service->open_files(), 0U);
}

TEST_F(TheHqService, ResetsWhenTheFileBecameShorter) {
  connection.streams[kStream].room = 10;
  deliver(*service, connection, kStream, "GET /large\r\n", Fin::kYes);
  std::filesystem::resize_file(folder_ / "root/large", 20);
  connection.streams[kStream].room = 1 << 30;
  service->on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].reset_code, to_wire(ServiceCode::kHqReadFailed));
}

TEST_F(TheHqService, WalkingOpensTheSameFilesButFollowsNoLink) {
  const auto root = FileRoot::open((folder_ / "root").string());
  EXPECT_EQ(root->open_file_by_walking("file")->size, 7U);
  EXPECT_EQ(root->open_file_by_walking("./sub//100%41")->size, 7U);
  for (const char* const path : {"../secret", "sub/../../secret", "/etc/passwd", "leaves", "stays",
                                 "sub/up/secret", "sub/..", "sub", "sub/", "fifo", "nothing", "file/"}) {
    EXPECT_FALSE(root->open_file_by_walking(path).has_value()) << path;
  }
  EXPECT_EQ(root->open_file_by_walking("/file").error(), FileRoot::Failure::kForbidden);
}

}  // namespace
}  // namespace knul::service
