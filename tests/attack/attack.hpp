// What an attack is: one row of a table, with the server it wants, what it does, and what must hold.
#pragma once

#include <functional>

#include "frames.hpp"
#include "oracle.hpp"
#include "random.hpp"
#include "raw_connection.hpp"
#include "target.hpp"

namespace knul::attack {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

// `make test` runs the short form, `make test-stress` the full one.
enum class Form : std::uint8_t { kShort, kFull };

// One thing that must hold.
struct Check {
  std::string what, bound, measured;
  bool has_passed = false;
};

// Given to the attack of a row.
class Attack {
 public:
  Attack(Target& attacked, Form form) : target(attacked), form_(form) {}

  [[nodiscard]] bool is_full() const { return form_ == Form::kFull; }
  // How often to do something. Sanitizers do a quarter of the short form.
  [[nodiscard]] std::uint64_t count(std::uint64_t in_short, std::uint64_t in_full) const;
  // Seconds that an attack of a rate lasts.
  [[nodiscard]] Clock::duration span() const {
    return is_full() ? Clock::duration(10s) : Clock::duration(1s);
  }
  // The same, as a loop's condition; `part` of it where there are many such rows.
  [[nodiscard]] bool goes_on(int part = 1) const;

  void at_most(const std::string& what, double measured, double bound, const std::string& unit = "");
  void at_least(const std::string& what, double measured, double bound, const std::string& unit = "");
  void holds(const std::string& what, bool is_so);
  void equals(const std::string& what, const std::string& measured, const std::string& expected);
  // A value for the report that nothing is demanded of.
  void note(const std::string& what, double measured, const std::string& unit = "");
  // Timings of the host under sanitizers or on a busy machine say nothing; what only the full form demands.
  [[nodiscard]] bool judges_time() const { return is_full() && !kIsSanitized; }

  Target& target;
  std::vector<Check> checks;

 private:
  Form form_;
  Clock::time_point begin_ = Clock::now();
};

struct Row {
  std::string group, name, attack;  // group and name in the command line; the attack in words
  TargetOptions needs;
  std::function<void(Attack&)> run;
  std::uint64_t memory_bound_bytes = 64U << 20;  // growth of the server's memory that stays, and none later
  bool is_for_sanitizers = true;
  bool is_for_short = true;
  bool has_oracle = true;  // false: neither oracle nor memory are looked at, only whether the server lives
};

// The table, in parts.
void add_conformance_rows(std::vector<Row>& rows);
void add_packet_rows(std::vector<Row>& rows);
void add_crypto_rows(std::vector<Row>& rows);
void add_handshake_rows(std::vector<Row>& rows);
void add_frame_flood_rows(std::vector<Row>& rows);
void add_stream_rows(std::vector<Row>& rows);
void add_memory_rows(std::vector<Row>& rows);
void add_token_rows(std::vector<Row>& rows);
void add_path_rows(std::vector<Row>& rows);
void add_host_rows(std::vector<Row>& rows);

// "0x178", "refused", ...: how a close of the server reads in the report.
std::string to_text(const std::optional<RawConnection::Close>& close);
std::string hex(std::uint64_t code);
// The request of the services perf and channel: 8 bytes.
Bytes perf_request(std::uint64_t answer_bytes);

}  // namespace knul::attack
