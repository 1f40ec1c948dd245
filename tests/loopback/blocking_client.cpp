#include "loopback/blocking_client.hpp"

#include <cstdlib>
#include <future>
#include <iostream>

namespace knul::test {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

class Recorder final : public krepis::Application {
 public:
  explicit Recorder(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}

  void on_connection(krepis::Connection& connection) override {
    note([&] { seen_->connections[connection.context()] = &connection; });
  }
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override {
    note([&] {
      seen_->connections.erase(connection.context());
      seen_->closed[connection.context()] = reason;
    });
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    bool consumes = false;
    note([&] {
      const std::pair key(stream.connection().context(), stream.id());
      seen_->received[key].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (fin == krepis::Fin::kYes)
        seen_->finished[key] = true;
      consumes = seen_->consumes;
    });
    if (consumes)
      stream.consume(bytes.size());
  }
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override {
    note([&] { seen_->resets[{stream.connection().context(), stream.id()}] = code; });
  }
  void on_datagram(krepis::Connection&, std::span<const std::uint8_t> bytes) override {
    note([&] { seen_->datagrams.emplace_back(bytes.begin(), bytes.end()); });
  }

 private:
  template <class Change>
  void note(Change change) {
    const std::lock_guard lock(seen_->mutex);
    change();
    seen_->changed.notify_all();
  }

  std::shared_ptr<Seen> seen_;
};

}  // namespace

BlockingClient::BlockingClient(krepis::ClientOptions options) {
  auto client = krepis::QuicClient::start(options, std::make_unique<Recorder>(seen_));
  if (!client) {
    std::cerr << "client: " << client.error().message << '\n';
    std::abort();
  }
  client_ = *std::move(client);
}

BlockingClient::~BlockingClient() = default;

template <class Condition>
bool BlockingClient::wait(Condition condition) {
  std::unique_lock lock(seen_->mutex);
  // wait_until on the system clock: ThreadSanitizer of gcc 12 does not know the steady one.
  return seen_->changed.wait_until(lock, std::chrono::system_clock::now() + kPatience, condition);
}

krepis::Result<void> BlockingClient::start_connect(std::uint16_t port, std::uint64_t context,
                                                   const std::string& host) {
  return client_->connect(host, port, "localhost", context);
}

bool BlockingClient::connect(std::uint16_t port, std::uint64_t context, const std::string& host) {
  return start_connect(port, context, host) && wait_connected(context);
}

bool BlockingClient::connect_as(const std::string& server_name, std::uint16_t port, std::uint64_t context) {
  return client_->connect("127.0.0.1", port, server_name, context) && wait_connected(context);
}

bool BlockingClient::wait_connected(std::uint64_t context) {
  const bool is_decided =
      wait([&] { return seen_->connections.contains(context) || seen_->closed.contains(context); });
  const std::lock_guard lock(seen_->mutex);
  return is_decided && seen_->connections.contains(context);
}

std::optional<krepis::CloseReason> BlockingClient::wait_closed(std::uint64_t context) {
  if (!wait([&] { return seen_->closed.contains(context); }))
    return std::nullopt;
  const std::lock_guard lock(seen_->mutex);
  return seen_->closed[context];
}

bool BlockingClient::on_connection(std::uint64_t context,
                                   const std::function<void(krepis::Connection&)>& task) {
  std::promise<bool> done;
  const bool is_posted = client_->post([&] {
    krepis::Connection* connection = nullptr;
    {
      const std::lock_guard lock(seen_->mutex);
      const auto found = seen_->connections.find(context);
      connection = found == seen_->connections.end() ? nullptr : found->second;
    }
    if (connection != nullptr)
      task(*connection);
    done.set_value(connection != nullptr);
  });
  return is_posted && done.get_future().get();
}

std::optional<krepis::StreamId> BlockingClient::send(const std::string& text, std::uint64_t context) {
  std::optional<krepis::StreamId> id;
  on_connection(context, [&](krepis::Connection& connection) {
    auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened)
      return;
    id = (*opened)->id();
    const std::size_t taken = (*opened)->write(
        std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), krepis::Fin::kYes);
    if (taken != text.size())
      id.reset();  // tests send less than the buffer holds
  });
  return id;
}

std::optional<std::string> BlockingClient::wait_answer(krepis::StreamId stream, std::uint64_t context) {
  const std::pair key(context, stream);
  if (!wait([&] { return seen_->finished.contains(key); }))
    return std::nullopt;
  const std::lock_guard lock(seen_->mutex);
  return seen_->received[key];
}

std::optional<std::uint64_t> BlockingClient::wait_reset(krepis::StreamId stream, std::uint64_t context) {
  const std::pair key(context, stream);
  if (!wait([&] { return seen_->resets.contains(key); }))
    return std::nullopt;
  const std::lock_guard lock(seen_->mutex);
  return seen_->resets[key];
}

std::optional<std::string> BlockingClient::wait_datagram() {
  if (!wait([&] { return !seen_->datagrams.empty(); }))
    return std::nullopt;
  const std::lock_guard lock(seen_->mutex);
  std::string first = seen_->datagrams.front();
  seen_->datagrams.erase(seen_->datagrams.begin());
  return first;
}

void BlockingClient::stop_consuming() {
  const std::lock_guard lock(seen_->mutex);
  seen_->consumes = false;
}

}  // namespace knul::test
