// Calls of the C ABI in any order, with real servers on free ports: stale and foreign handles, settings that
// are wrong, null and misaligned results. After each input no server is left.
#include <krepis/krepis.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "input.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace {

using namespace knul;

constexpr int kMaxCalls = 24;
constexpr std::size_t kMaxServers = 2;

const KnulTestCertificateFiles& certificate_files() {
  static const test::TemporaryFolder folder;
  static const KnulTestCertificateFiles files = [] {
    KnulTestCertificateFiles made;
    FUZZ_CHECK(knul_test_write_certificates(folder.path().c_str(), "fuzz", nullptr, &made) == 0);
    return made;
  }();
  return files;
}

enum class Answer : std::uint8_t { kNothing, kHandle, kJson, kText };

// What holds for every answer, whatever the call was.
void check_answer(const FfiResponse& response, Answer kind) {
  const FfiBuffer& result = response.result_buffer;
  FUZZ_CHECK(response.reserved == 0 && result.reserved == 0);
  FUZZ_CHECK(std::strcmp(krepis_error_name(response.error_code), "Reserved") != 0);
  if (response.error_code != KREPIS_SUCCESS) {
    FUZZ_CHECK(std::strlen(krepis_last_error()) > 0);
    FUZZ_CHECK(result.data == nullptr && result.len == 0 && result.cap == 0);
  } else if (kind == Answer::kNothing) {
    FUZZ_CHECK(result.data == nullptr && result.len == 0);
  } else if (kind == Answer::kHandle) {
    FUZZ_CHECK(result.data != nullptr && result.len == 8);
  } else {
    FUZZ_CHECK(result.cap >= result.len && result.data[result.len] == 0);
    FUZZ_CHECK(kind == Answer::kText || nlohmann::json::accept(result.data, result.data + result.len));
  }
}

class Host {
 public:
  explicit Host(fuzz::Input& input) : input_(input) {}
  ~Host() {
    while (!running_.empty()) {
      check_answer(krepis_quic_stop(running_.back()), Answer::kNothing);
      running_.pop_back();
    }
    const FfiResponse list = krepis_quic_list();
    FUZZ_CHECK(list.result_buffer.len == 2 && std::memcmp(list.result_buffer.data, "[]", 2) == 0);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void call() {
    switch (input_.byte() % 12) {
      case 0:
        return start(settings());
      case 1: {
        const auto text = input_.chunk();
        return start(std::string(text.begin(), text.end()));
      }
      case 2:
        return start_by_struct();
      case 3:
        return stop();
      case 4:
        return ask(&krepis_quic_get_stats, &krepis_quic_get_stats_into, Answer::kJson);
      case 5:
        return ask(&krepis_quic_info, &krepis_quic_info_into, Answer::kJson);
      case 6:
        return ask(&krepis_quic_connections, &krepis_quic_connections_into, Answer::kJson);
      case 7:
        return ask(&krepis_quic_get_metrics, &krepis_quic_get_metrics_into, Answer::kText);
      case 8:
        check_answer(krepis_quic_list(), Answer::kJson);
        return check_answer(krepis_settings(), Answer::kJson);
      case 9:
        FUZZ_CHECK((krepis_quic_port(handle()) != 0) == is_running(chosen_));
        return;
      case 10:
        FUZZ_CHECK(krepis_error_name(static_cast<std::uint32_t>(input_.number(4))) != nullptr);
        return;
      default:
        return refuse_bad_out();
    }
  }

 private:
  using Function = FfiResponse (*)(std::uint64_t);
  using IntoFunction = std::uint32_t (*)(std::uint64_t, FfiResponse*);

  [[nodiscard]] bool is_running(std::uint64_t handle) const {
    return std::ranges::find(running_, handle) != running_.end();
  }
  // One that was given out, also if it is stopped, or any number.
  std::uint64_t handle() {
    const std::uint8_t which = input_.byte();
    const bool is_made_up = which >= 0xe0 || issued_.empty();
    return chosen_ = is_made_up ? input_.number(8) : issued_[which % issued_.size()];
  }
  std::string settings() {
    static constexpr const char* kServices[] = {"none", "echo", "perf"};
    const std::uint8_t bits = input_.byte();
    const nlohmann::json object{{"cert_path", certificate_files().cert_path},
                                {"key_path", certificate_files().key_path},
                                {"workers", 1 + bits % 2},
                                {"service", kServices[bits / 2 % 3]},
                                {"steering", (bits & 0x40) != 0 ? "single_socket" : "auto"}};
    return object.dump();
  }
  void start(const std::string& json) {
    if (running_.size() < kMaxServers) {
      note_started(krepis_quic_start_json(json.data(), json.size()));
    }
  }
  // Only ones that fail: a fixed port could be another program's.
  void start_by_struct() {
    const std::string path = certificate_files().cert_path;
    const FfiBuffer text{reinterpret_cast<const std::uint8_t*>(path.data()), path.size(), path.size(), 0};
    FfiQuicConfig config{};
    config.max_streams = static_cast<std::uint32_t>(input_.number(4));
    config.idle_timeout_ms = input_.number(8);
    config.host_addr = config.cert_path = config.key_path = text;
    config.port = input_.byte();
    check_answer(krepis_quic_start(&config), Answer::kHandle);
  }
  void note_started(const FfiResponse& response) {
    check_answer(response, Answer::kHandle);
    if (response.error_code == KREPIS_SUCCESS) {
      std::uint64_t started = 0;
      std::memcpy(&started, response.result_buffer.data, sizeof started);
      FUZZ_CHECK(started != 0 && std::ranges::find(issued_, started) == issued_.end());
      issued_.push_back(started);
      running_.push_back(started);
    }
  }
  void stop() {
    const std::uint64_t stopped = handle();
    const bool was_running = is_running(stopped);
    const std::uint64_t deadline_ms = input_.number(2);
    const bool by_report = deadline_ms % 2 == 0;
    const FfiResponse response =
        by_report ? krepis_quic_stop_report(stopped, deadline_ms) : krepis_quic_stop(stopped);
    check_answer(response, by_report ? Answer::kJson : Answer::kNothing);
    FUZZ_CHECK(response.error_code == (was_running ? KREPIS_SUCCESS : KREPIS_INVALID_POINTER));
    std::erase(running_, stopped);
  }
  void ask(Function function, IntoFunction into, Answer kind) {
    const std::uint64_t asked = handle();
    FfiResponse response{};
    if (input_.byte() % 2 == 0) {
      response = function(asked);
    } else {
      FUZZ_CHECK(into(asked, &response) == response.error_code);
    }
    check_answer(response, kind);
    FUZZ_CHECK((response.error_code == KREPIS_SUCCESS) == is_running(asked));
  }
  // Nothing is done and nothing is written.
  void refuse_bad_out() {
    alignas(8) std::uint8_t place[sizeof(FfiResponse) + 8];
    std::memset(place, 0x5a, sizeof place);
    const std::size_t shift = 1 + input_.byte() % 7U;
    auto* const misaligned = reinterpret_cast<FfiResponse*>(place + shift);
    const std::string json = settings();
    const std::uint64_t any = handle();
    FUZZ_CHECK(krepis_quic_start_json_into(json.data(), json.size(), misaligned) == KREPIS_MEMORY_ALIGNMENT);
    FUZZ_CHECK(krepis_quic_stop_into(any, misaligned) == KREPIS_MEMORY_ALIGNMENT);
    FUZZ_CHECK(krepis_quic_stop_report_into(any, 0, nullptr) == KREPIS_INVALID_POINTER);
    FUZZ_CHECK(krepis_quic_list_into(nullptr) == KREPIS_INVALID_POINTER);
    FUZZ_CHECK(krepis_settings_into(misaligned) == KREPIS_MEMORY_ALIGNMENT);
    FUZZ_CHECK(std::ranges::all_of(place, [](std::uint8_t byte) { return byte == 0x5a; }));
  }

  fuzz::Input& input_;
  std::uint64_t chosen_ = 0;
  std::vector<std::uint64_t> issued_, running_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Host host(input);
  for (int call = 0; call < kMaxCalls && !input.is_empty(); ++call) {
    host.call();
  }
  return 0;
}
