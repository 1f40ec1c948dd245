#include "quic/crypto/processor.hpp"

namespace knul::quic {

#if defined(__x86_64__)

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
  const bool has_vaes = note("VAES", __builtin_cpu_supports("vaes"));
  const bool has_vector_multiply = note("VPCLMULQDQ", __builtin_cpu_supports("vpclmulqdq"));
  found.has_aes = has_aes && has_multiply;
  found.has_vaes = found.has_aes && has_avx512 && has_vaes && has_vector_multiply;
  return found;
}

#else

Processor processor() { return {}; }

#endif

}  // namespace knul::quic
