// What the admin listener shows: the server implements it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace knul::admin {

enum class MetricsFormat : std::uint8_t { kOpenMetrics, kPrometheus };

// Thread: the listener's. Lifetime: outlives the listener.
class AdminSource {
 public:
  virtual void append_stats(std::string& out) = 0;  // JSON
  virtual void append_metrics(MetricsFormat format, std::string& out) = 0;
  // `query`: the JSON object of krepis_quic_connections_json. Appends its result. Blocks for at most a
  // second.
  virtual base::Status append_connections(std::string_view query, std::string& out) = 0;
  // False from the first moment of a drain.
  [[nodiscard]] virtual bool is_ready() const = 0;

 protected:
  ~AdminSource() = default;
};

}  // namespace knul::admin
