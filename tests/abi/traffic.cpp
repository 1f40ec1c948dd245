#include "traffic.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <functional>
#include <krepis/krepis.hpp>
#include <locale>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 20s;

// What the client's thread tells the test's thread. Lifetime: both sides hold it.
struct Events {
  std::mutex mutex;
  std::condition_variable changed;
  krepis::Connection* connection = nullptr;  // Thread: used on the client's only
  bool is_closed = false;
  std::uint64_t bytes_echoed = 0;
  bool has_echo_ended = false;

  void tell(const std::function<void()>& change) {
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    // By the system clock: ThreadSanitizer of gcc 12 does not know the wait on the steady one.
    return changed.wait_until(lock, std::chrono::system_clock::now() + kPatience, condition);
  }
};

class Listener final : public krepis::Application {
 public:
  explicit Listener(std::shared_ptr<Events> events) : events_(std::move(events)) {}
  void on_connection(krepis::Connection& connection) override {
    events_->tell([&] { events_->connection = &connection; });
  }
  void on_connection_closed(krepis::Connection&, const krepis::CloseReason&) override {
    events_->tell([&] {
      events_->connection = nullptr;
      events_->is_closed = true;
    });
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    events_->tell([&] {
      events_->bytes_echoed += bytes.size();
      events_->has_echo_ended = fin == krepis::Fin::kYes;
    });
  }

 private:
  std::shared_ptr<Events> events_;
};

int fail(const char* what) {
  std::fprintf(stderr, "traffic: %s\n", what);
  return -1;
}

}  // namespace

struct Traffic {
  std::shared_ptr<Events> events = std::make_shared<Events>();
  std::unique_ptr<krepis::QuicClient> client;
  krepis::StreamId stream = 0;

  // Runs on the client's thread, if the connection is still there.
  bool on_connection(std::function<bool(krepis::Connection&)> action) {
    struct Outcome {
      bool is_done = false;
      bool is_well = false;
    };
    auto outcome = std::make_shared<Outcome>();
    client->post([this, outcome, action = std::move(action)] {
      const bool is_well = events->connection != nullptr && action(*events->connection);
      events->tell([&] { *outcome = {true, is_well}; });
    });
    return events->wait([&] { return outcome->is_done; }) && outcome->is_well;
  }

  bool send_on_new_stream(std::uint32_t bytes, krepis::Fin fin) {
    events->tell([&] {
      events->bytes_echoed = 0;
      events->has_echo_ended = false;
    });
    return on_connection([this, bytes, fin](krepis::Connection& connection) {
      const auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
      const std::vector<std::uint8_t> data(bytes, 0x2a);
      stream = opened ? (*opened)->id() : 0;
      return opened && (*opened)->write(data, fin) == bytes;
    });
  }
};

Traffic* traffic_connect(std::uint16_t port) {
  auto traffic = std::make_unique<Traffic>();
  krepis::ClientOptions options;
  options.verify_peer = false;
  auto client = krepis::QuicClient::start(options, std::make_unique<Listener>(traffic->events));
  if (!client || !(*client)->connect("127.0.0.1", port, "localhost", 0)) {
    fail("no client");
    return nullptr;
  }
  traffic->client = *std::move(client);
  Events& events = *traffic->events;
  if (!events.wait([&] { return events.connection != nullptr || events.is_closed; }) || events.is_closed) {
    fail("no connection");
    return nullptr;
  }
  return traffic.release();
}

int traffic_echo(Traffic* traffic, std::uint32_t bytes) {
  Events& events = *traffic->events;
  const bool is_well = traffic->send_on_new_stream(bytes, krepis::Fin::kYes) &&
                       events.wait([&] { return events.has_echo_ended || events.is_closed; });
  return is_well && events.bytes_echoed == bytes ? 0 : fail("no echo");
}

int traffic_hold_stream(Traffic* traffic) {
  Events& events = *traffic->events;
  const bool is_well = traffic->send_on_new_stream(1, krepis::Fin::kNo) &&
                       events.wait([&] { return events.bytes_echoed == 1 || events.is_closed; });
  return is_well && !events.is_closed ? 0 : fail("no echo on a stream that stays open");
}

int traffic_finish_stream(Traffic* traffic) {
  const bool is_well = traffic->on_connection([traffic](krepis::Connection& connection) {
    krepis::Stream* const stream = connection.find_stream(traffic->stream);
    return stream != nullptr && (stream->write(std::span<const std::uint8_t>{}, krepis::Fin::kYes), true);
  });
  return is_well ? 0 : fail("the stream that was held could not be ended");
}

int traffic_wait_closed(Traffic* traffic) {
  Events& events = *traffic->events;
  return events.wait([&] { return events.is_closed; }) ? 0 : fail("the connection was not closed");
}

void traffic_free(Traffic* traffic) { delete traffic; }

int traffic_set_cpp_locale(const char* name) {
  try {
    std::locale::global(std::locale(name));
    return 0;
  } catch (const std::exception&) {
    return fail("no such locale");
  }
}
