// The answers of the admin listener, without sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/admin_source.hpp"

namespace knul::admin {

struct AdminRequest {
  std::string_view method;
  std::string_view target;     // path and query, as the client sent it
  std::string_view accept;     // the Accept header, may be empty
  std::string_view host = {};  // the Host header; empty: none, or the listener has a Unix socket
};

struct AdminAnswer {
  unsigned status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;
};

enum class MayAskWorkers : bool { kNo, kYes };  // kNo: there were too many requests for /connections
// Paths: / (the page), /metrics, /stats, /connections?sort=...&descending=true&limit=..., /healthz, /readyz.
// 405 for all methods but GET and HEAD, 404 for other paths, 400 for a wrong query or above kMostRows, 421
// for a Host that is a name, 429 for /connections with MayAskWorkers::kNo. Throws std::bad_alloc.
//
// A web page can point a name of its own at 127.0.0.1 and so read the answers (DNS rebinding); it cannot make
// the browser send an address as Host. /metrics, /healthz and /readyz accept every Host, because monitoring
// uses names and these answers have no addresses of peers.
[[nodiscard]] AdminAnswer answer(AdminSource& source, const AdminRequest& request,
                                 MayAskWorkers workers = MayAskWorkers::kYes);
[[nodiscard]] bool asks_workers(const AdminRequest& request);

// Rows of an answer to /connections, of up to a kilobyte each: the memory of slow clients is bounded.
inline constexpr std::uint64_t kMostRows = 1'000;

// The JSON query of a URL's query part; an unknown key stays, so that the server can name it.
[[nodiscard]] std::string to_json_query(std::string_view url_query);

}  // namespace knul::admin
