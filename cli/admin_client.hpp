// Sends requests to the admin listener of a running server. Each has a connection of its own and limits of
// time and size.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "cli/admin_address.hpp"
#include "cli/outcome.hpp"

namespace boost::asio {
class io_context;
}

namespace knul::cli {

// Thread: the one that runs the context. Lifetime: the context outlives this object.
class AdminClient {
 public:
  static constexpr std::size_t kMostBodyBytes = 1 << 20;
  static constexpr std::size_t kMostHeaderBytes = 8'192;
  // From the connect to the last byte; a list of connections takes a server a second at most.
  static constexpr std::chrono::milliseconds kLongestAnswer{5'000};

  // Blocks until the system's resolver answers, if the address has a name. Error: the name has no address.
  static Outcome<std::unique_ptr<AdminClient>> open(boost::asio::io_context& context, AdminAddress address,
                                                    std::chrono::milliseconds limit = kLongestAnswer);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  // Calls `done` once, from the context, with the body of an answer with status 200. Error: kFailure with the
  // address and the reason. A context that stops earlier drops the request.
  using Done = std::function<void(Outcome<std::string> body)>;
  void get(const std::string& target, Done done);

 private:
  class Request;
  struct Peer;
  AdminClient(boost::asio::io_context& context, std::unique_ptr<Peer> peer);

  boost::asio::io_context& context_;
  std::unique_ptr<Peer> peer_;
};

// One request. Blocks for `limit` at most, after the resolver has answered.
Outcome<std::string> fetch_admin(const AdminAddress& address, const std::string& target,
                                 std::chrono::milliseconds limit = AdminClient::kLongestAnswer);

}  // namespace knul::cli
