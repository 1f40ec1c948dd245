// A source of the admin listener with fixed texts.
#pragma once

#include <atomic>
#include <string>

#include "admin/admin_source.hpp"

namespace knul::admin {

class FakeSource final : public AdminSource {
 public:
  void append_stats(std::string& out) override { out += R"({"uptime_ms":1})"; }
  void append_metrics(MetricsFormat format, std::string& out) override {
    out += format == MetricsFormat::kOpenMetrics ? "open # EOF\n" : "older\n";
  }
  base::Status append_connections(std::string_view query, std::string& out) override {
    if (query.find("wrong") != std::string_view::npos) {
      return base::Error{base::ErrorKind::kInvalidArgument, "query: sort is wrong"};
    }
    out += query;
    return {};
  }
  [[nodiscard]] bool is_ready() const override { return ready; }

  std::atomic<bool> ready{true};
};

}  // namespace knul::admin
