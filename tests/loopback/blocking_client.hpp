// A client for tests: drives krepis::QuicClient and waits, with a deadline, for what is to happen.
#pragma once

#include <krepis/krepis.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace knul::test {

// What the client's thread has seen. All access under the mutex.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, krepis::Connection*> connections;  // by context
  std::map<std::uint64_t, krepis::CloseReason> closed;       // by context
  std::map<std::pair<std::uint64_t, krepis::StreamId>, std::string> received;
  std::map<std::pair<std::uint64_t, krepis::StreamId>, bool> finished;
  std::map<std::pair<std::uint64_t, krepis::StreamId>, std::uint64_t> resets;
  std::vector<std::string> datagrams;
  bool consumes = true;
};

// Thread: the test's, all functions. Waiting functions give up after 20 s and say false or nullopt.
class BlockingClient {
 public:
  explicit BlockingClient(krepis::ClientOptions options = insecure());
  ~BlockingClient();

  static krepis::ClientOptions insecure() {
    krepis::ClientOptions options;
    options.verify_peer = false;
    return options;
  }

  krepis::Result<void> start_connect(std::uint16_t port, std::uint64_t context = 0,
                                     const std::string& host = "127.0.0.1");
  // True when the handshake with a server on this machine that is asked for `server_name` is complete.
  bool connect_as(const std::string& server_name, std::uint16_t port, std::uint64_t context = 0);
  // True when the handshake is complete.
  bool connect(std::uint16_t port, std::uint64_t context = 0, const std::string& host = "127.0.0.1");
  std::optional<krepis::CloseReason> wait_closed(std::uint64_t context = 0);

  // Opens a bidirectional stream and sends `text` and a FIN; nullopt if the send buffer does not take it
  // whole.
  std::optional<krepis::StreamId> send(const std::string& text, std::uint64_t context = 0);
  // What came back, up to its FIN.
  std::optional<std::string> wait_answer(krepis::StreamId stream, std::uint64_t context = 0);
  std::optional<std::uint64_t> wait_reset(krepis::StreamId stream, std::uint64_t context = 0);
  std::optional<std::string> wait_datagram();

  // Runs `task` on the client's thread with the connection and waits for it; false if there is none.
  bool on_connection(std::uint64_t context, const std::function<void(krepis::Connection&)>& task);
  void stop_consuming();

 private:
  // True: the connection of `context` is complete. Waits for it or its end.
  bool wait_connected(std::uint64_t context);
  template <class Condition>
  bool wait(Condition condition);

  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  std::unique_ptr<krepis::QuicClient> client_;
};

}  // namespace knul::test
