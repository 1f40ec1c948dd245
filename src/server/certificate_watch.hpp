// Decides when changed certificate files are reloaded. Without thread, clock and files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace knul::server {

// The identity and state of the file that a path leads to, through symbolic links.
struct FileState {
  bool exists = false;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t changed_ns = 0;  // time of the last modification

  bool operator==(const FileState&) const = default;
};

// A pair of files; both states of a text are equal at all times.
struct PairState {
  FileState certificate;
  FileState key;

  bool operator==(const PairState&) const = default;
};

// Thread: one. `now` never goes backwards.
class CertificateWatch {
 public:
  static constexpr base::Duration kInterval = std::chrono::seconds(1);
  static constexpr base::Duration kWhileChanging = std::chrono::milliseconds(100);
  static constexpr base::Duration kQuiet = std::chrono::milliseconds(500);
  static constexpr base::Duration kLongestChange = std::chrono::seconds(10);

  // `loaded` are the states before the present certificates were read.
  explicit CertificateWatch(std::vector<PairState> loaded) : loaded_(loaded), last_(std::move(loaded)) {}

  enum class Advice : std::uint8_t {
    kWait,
    kTry,     // reload; an error is not final, because the files are probably still being replaced
    kReload,  // reload; report an error
  };
  // Takes the present states. After kTry and kReload the caller reports the result by note_result().
  Advice observe(std::vector<PairState> states, base::Instant now);
  // The result of a reload for the states of the last observe().
  void note_result(bool is_loaded);

  // When to observe again.
  [[nodiscard]] base::Duration pause() const { return changing_since_ ? kWhileChanging : kInterval; }

 private:
  [[nodiscard]] bool is_half_done() const;

  std::vector<PairState> loaded_;
  std::vector<PairState> last_;
  std::optional<std::vector<PairState>> failed_;  // states whose reload failed
  std::optional<base::Instant> changing_since_;   // nullopt: the files are those that were loaded, or failed_
  base::Instant quiet_since_{};                   // the states are equal since then
  Advice advice_ = Advice::kWait;
};

}  // namespace knul::server
