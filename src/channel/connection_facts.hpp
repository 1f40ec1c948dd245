#pragma once

#include <krepis/krepis.hpp>
#include <string>

namespace knul::channel {

// What krepis_connection_info_into tells. Thread: under the lock of the worker's mailbox.
struct ConnectionFacts {
  std::uint64_t id = 0;
  std::string peer;
  std::string alpn;
  std::string server_name;
  krepis::ConnectionInfo info;
  std::size_t max_datagram_bytes = 0;
};

}  // namespace knul::channel
