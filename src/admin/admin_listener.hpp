// An HTTP/1.1 listener for operators: metrics, health, statistics, connections, and a page. Read only.
//
// It has one thread and never shares it with a worker. Slow and hostile clients cost a bounded number of
// descriptors and bytes: at the limit a new client takes the place of the one that has been silent for
// longest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "admin/admin_source.hpp"
#include "base/result.hpp"

namespace knul::admin {

// Thread: any. Blocking: start opens a socket and starts a thread; the destructor joins the thread, which
// takes as long as an answer under way: about a second at most.
class AdminListener {
 public:
  static constexpr std::size_t kMostClients = 32;
  static constexpr std::size_t kMostHeaderBytes = 8'192;
  static constexpr std::chrono::seconds kLongestRequest{10};  // to arrive, and again for its answer to leave
  static constexpr std::chrono::seconds kLongestIdle{60};     // between two requests of a client

  // `address`: "127.0.0.1:9090", "[::1]:0" (port 0: a free one), or "unix:" and the path of a socket, which
  // is created with mode 0600; a socket there that nobody listens on is replaced. Errors: kInvalidArgument
  // (not one of these forms), kNetwork, kQuota; the text begins with "admin". Lifetime: `source` outlives
  // this object.
  static base::Result<std::unique_ptr<AdminListener>> start(std::string_view address, AdminSource& source);
  ~AdminListener();
  AdminListener(const AdminListener&) = delete;
  AdminListener& operator=(const AdminListener&) = delete;

  // As in `address`, with the port in use.
  [[nodiscard]] const std::string& address() const;
  [[nodiscard]] int fd() const;

 private:
  class Impl;
  explicit AdminListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// kInvalidArgument: `address` is not one that start() accepts. Opens nothing.
[[nodiscard]] base::Status check_admin_address(std::string_view address);

}  // namespace knul::admin
