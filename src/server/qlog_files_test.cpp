#include "server/qlog_files.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "support/temporary_folder.h"

namespace knul::server {
namespace {

class QlogSettings : public testing::Test {
 protected:
  QlogSettings() { options_.qlog_folder = folder_; }

  // A connection from `address`. True: it is logged.
  bool connect(QlogFiles& files, const char* address = "192.0.2.1") {
    const unsigned number = next_.fetch_add(1);
    const std::array<std::uint8_t, 8> id{static_cast<std::uint8_t>(number >> 16),
                                         static_cast<std::uint8_t>(number >> 8),
                                         static_cast<std::uint8_t>(number)};
    const auto file = files.open(*base::SocketAddress::parse(address, 4'711), id);
    return file != nullptr && file->write("x\n") == base::QlogOutcome::kAccepted;
  }
  [[nodiscard]] std::ptrdiff_t count_files() const {
    return std::distance(std::filesystem::directory_iterator(folder_), {});
  }

  base::NullLogSink log_;
  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  krepis::ServerOptions options_;
  std::atomic<unsigned> next_{0};
};

TEST_F(QlogSettings, WithoutAFolderAreOff) {
  options_.qlog_folder.clear();
  EXPECT_EQ(*QlogFiles::open(options_, log_), nullptr);
}

TEST_F(QlogSettings, SelectFiveOfTenThousandConnectionsOfManyThreads) {
  options_.qlog_connections = 5;
  const auto files = *QlogFiles::open(options_, log_);
  std::atomic<int> logged{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int count = 0; count < 2'500; ++count) {
        logged += connect(*files) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  files->finish();
  EXPECT_EQ(logged.load(), 5);
  EXPECT_EQ(count_files(), 5);
}

TEST_F(QlogSettings, CountOnlyConnectionsOfTheirPeers) {
  options_.qlog_connections = 1;
  options_.qlog_peers = "2001:db8::/32";
  const auto files = *QlogFiles::open(options_, log_);
  EXPECT_FALSE(connect(*files, "192.0.2.1"));
  EXPECT_FALSE(connect(*files, "2001:db9::1"));
  EXPECT_TRUE(connect(*files, "2001:db8::1"));
  EXPECT_FALSE(connect(*files, "2001:db8::1"));
  files->renew();
  EXPECT_TRUE(connect(*files, "2001:db8::1"));
}

TEST_F(QlogSettings, LogNoFurtherConnectionWhenAllFilesTogetherAreFull) {
  options_.qlog_connections = 100;
  options_.qlog_total_bytes = 3 * QlogWriter::kLastRecordBytes;
  const auto files = *QlogFiles::open(options_, log_);
  int logged = 0;
  for (int i = 0; i < 200; ++i) {
    const auto file = files->open(*base::SocketAddress::parse("192.0.2.1", 1), std::array<std::uint8_t, 1>{});
    logged += file != nullptr ? 1 : 0;
    while (file != nullptr && file->write(std::string(100, 'x')) == base::QlogOutcome::kAccepted) {
    }
  }
  EXPECT_EQ(logged, 1);
}

TEST_F(QlogSettings, NameAFileAfterTheConnectionIdOfItsClient) {
  const auto files = *QlogFiles::open(options_, log_);
  const std::array<std::uint8_t, 9> id{0x00, 0x0f, 0xf0, 0xff, '/', '.', '.', 0x0a, 0x00};
  ASSERT_EQ(files->open(*base::SocketAddress::parse("::1", 1), id)->write("x\n"),
            base::QlogOutcome::kAccepted);
  files->finish();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "000ff0ff2f2e2e0a00_server.sqlog"));
}

}  // namespace
}  // namespace knul::server
