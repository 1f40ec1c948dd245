// Which connections of a server are logged in the format qlog. Part of krepis.hpp.
#pragma once

#include <cstdint>
#include <string>

namespace krepis {

// Settings of ServerOptions. Each logged connection has a file of its own; docs/operating.md describes them.
struct QlogOptions {
  std::string qlog_folder;  // an existing folder; empty: no connection is logged
  // 1..1,000: so many connections are logged, the next ones. QuicServer::reload begins to count anew, even
  // after an error.
  std::uint64_t qlog_connections = 10;
  std::string qlog_peers;  // of these addresses: "192.0.2.7" or "2001:db8::/32"; empty: of all
  // 64 KiB..1 TiB each, with qlog_file_bytes at most qlog_total_bytes.
  std::uint64_t qlog_file_bytes = 16 << 20;    // the largest file
  std::uint64_t qlog_total_bytes = 256 << 20;  // all files of a server together
};

}  // namespace krepis
