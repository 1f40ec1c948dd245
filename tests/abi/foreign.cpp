#include "foreign.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <krepis/krepis.hpp>
#include <memory>
#include <mutex>

namespace {

constexpr std::uint64_t kNoApplicationProtocol = 0x178;
constexpr std::chrono::seconds kPatience{40};

struct Count {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint32_t refused = 0;
  std::uint32_t otherwise = 0;
};

class Foreigner final : public krepis::Application {
 public:
  explicit Foreigner(std::shared_ptr<Count> count) : count_(std::move(count)) {}
  void on_connection_closed(krepis::Connection&, const krepis::CloseReason& reason) override {
    const std::lock_guard lock(count_->mutex);
    ++(reason.code == kNoApplicationProtocol ? count_->refused : count_->otherwise);
    count_->changed.notify_all();
  }

 private:
  std::shared_ptr<Count> count_;
};

int fail(const char* what) {
  std::fprintf(stderr, "foreign clients: %s\n", what);
  return -1;
}

}  // namespace

int foreign_clients_are_refused(std::uint16_t port, std::uint32_t count) {
  krepis::ClientOptions options;
  options.alpn = {"foreign"};
  options.verify_peer = false;
  options.handshake_timeout_ms = 30'000;
  const auto counted = std::make_shared<Count>();
  auto client = krepis::QuicClient::start(options, std::make_unique<Foreigner>(counted));
  if (!client) {
    return fail(client.error().message.c_str());
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!(*client)->connect("127.0.0.1", port, "localhost", i)) {
      return fail("connect");
    }
  }
  std::unique_lock lock(counted->mutex);
  // By the system clock: ThreadSanitizer of gcc 12 does not know the wait on the steady one.
  const bool is_over = counted->changed.wait_until(lock, std::chrono::system_clock::now() + kPatience, [&] {
    return counted->refused + counted->otherwise == count;
  });
  return is_over && counted->otherwise == 0 ? 0 : fail("a handshake was not refused");
}
