// What a call over the C ABI costs, with a real server behind it.
#include <benchmark/benchmark.h>
#include <krepis/krepis.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace {

struct Credentials {
  Credentials() {
    if (knul_test_write_certificates(folder.path().c_str(), "bench", nullptr, &files) != 0)
      std::abort();
  }
  knul::test::TemporaryFolder folder;
  KnulTestCertificateFiles files;
};

std::uint64_t start() {
  static const Credentials credentials;
  const std::string json = std::string(R"({"cert_path":")") + credentials.files.cert_path +
                           R"(","key_path":")" + credentials.files.key_path + R"(","workers":2})";
  const FfiResponse response = krepis_quic_start_json(json.data(), json.size());
  std::uint64_t handle = 0;
  if (response.error_code != 0)
    std::abort();
  std::memcpy(&handle, response.result_buffer.data, sizeof(handle));
  return handle;
}

std::uint64_t shared_server() {
  static const std::uint64_t handle = start();
  return handle;
}

void get_stats(benchmark::State& state) {
  const std::uint64_t handle = shared_server();
  for (auto _ : state)
    benchmark::DoNotOptimize(krepis_quic_get_stats(handle));
}
BENCHMARK(get_stats);

void get_metrics(benchmark::State& state) {
  const std::uint64_t handle = shared_server();
  for (auto _ : state)
    benchmark::DoNotOptimize(krepis_quic_get_metrics(handle));
}
BENCHMARK(get_metrics);

void port_by_handle(benchmark::State& state) {
  const std::uint64_t handle = shared_server();
  for (auto _ : state)
    benchmark::DoNotOptimize(krepis_quic_port(handle));
}
BENCHMARK(port_by_handle)->Threads(1)->Threads(8);

void start_and_stop(benchmark::State& state) {
  for (auto _ : state)
    krepis_quic_stop(start());
}
BENCHMARK(start_and_stop)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
