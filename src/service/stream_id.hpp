// RFC 9000 §2.1: the meaning of the two lowest bits of a stream ID.
#pragma once

#include <krepis/krepis.hpp>

namespace knul::service {

[[nodiscard]] constexpr bool is_unidirectional(krepis::StreamId stream) { return (stream & 2) != 0; }
[[nodiscard]] constexpr bool is_server_opened(krepis::StreamId stream) { return (stream & 1) != 0; }

}  // namespace knul::service
