#include "quic/crypto/processor.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace knul::quic {

#if defined(__x86_64__)

namespace {

// The instructions of CPUID leaf 7 that __builtin_cpu_supports of clang 14 does not know, as bits of ECX.
constexpr unsigned kVaes = 1U << 9;
constexpr unsigned kVpclmulqdq = 1U << 10;

unsigned leaf_7_ecx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 ? ecx : 0;
}

}  // namespace

Processor processor() {
  __builtin_cpu_init();
  Processor found{.is_known = true};
  const auto note = [&](const char* name, int has) {
    found.instructions += has != 0 ? (found.instructions.empty() ? "" : " ") + std::string(name) : "";
    return has != 0;
  };
  const bool has_aes = note("AES", __builtin_cpu_supports("aes"));
  const bool has_multiply = note("PCLMULQDQ", __builtin_cpu_supports("pclmul"));
  note("AVX2", __builtin_cpu_supports("avx2"));
  const bool has_avx512 =
      note("AVX512", __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                         __builtin_cpu_supports("avx512vl") != 0);
  const unsigned leaf_7 = leaf_7_ecx();
  const bool has_vaes = note("VAES", static_cast<int>(leaf_7 & kVaes));
  const bool has_vector_multiply = note("VPCLMULQDQ", static_cast<int>(leaf_7 & kVpclmulqdq));
  found.has_aes = has_aes && has_multiply;
  found.has_vaes = found.has_aes && has_avx512 && has_vaes && has_vector_multiply;
  return found;
}

#else

Processor processor() { return {}; }

#endif

}  // namespace knul::quic
