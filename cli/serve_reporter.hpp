// The output of `knul serve`: text for people, or one JSON object per line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cli/outcome.hpp"
#include "cli/output_writer.hpp"

namespace knul::cli {

// All text arguments are JSON objects of the C interface. Thread: one.
class ServeReporter {
 public:
  virtual ~ServeReporter() = default;
  virtual void listening(const std::string& info) = 0;
  virtual void statistics(const std::string& statistics) = 0;
  // All statistics, asked for by a signal.
  virtual void all_statistics(const std::string& statistics) = 0;
  virtual void reloaded() = 0;
  virtual void reload_failed(const std::string& error) = 0;
  virtual void draining(std::uint64_t deadline_ms) = 0;
  virtual void stopped(const std::string& report, const std::string& last_statistics) = 0;
  virtual void forced() = 0;
  // The server did not start. The command writes the error to standard error too.
  virtual void failed(const Failure& failure) = 0;
};

// Lifetime: `output` outlives the reporter.
[[nodiscard]] std::unique_ptr<ServeReporter> json_reporter(OutputWriter& output);
// kYes, for terminals: each line of statistics overwrites the previous line.
enum class LiveLine : bool { kNo = false, kYes = true };
[[nodiscard]] std::unique_ptr<ServeReporter> text_reporter(OutputWriter& output, LiveLine live);

}  // namespace knul::cli
