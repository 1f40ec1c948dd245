// FfiQuicConfig as a careless or hostile host fills it: any numbers, lengths and capacities, null and
// misaligned pointers. Behind each pointer lie only as many bytes as the contract lets the library read.
#include "abi/quic_config.hpp"

#include <cstring>
#include <string>

#include "input.hpp"

namespace {

using namespace knul;

struct Text {
  fuzz::Bytes memory;
  FfiBuffer buffer{};
};

Text read_text(fuzz::Input& input, std::uint64_t max) {
  const std::uint8_t shape = input.byte();
  const auto content = input.chunk();
  Text text{{content.begin(), content.end()}, {}};
  text.buffer.len = (shape & 1) != 0 ? input.number(8) : content.size();
  if (text.buffer.len <= max + 1) {
    text.memory.resize(text.buffer.len, (shape & 2) != 0 ? 'x' : '\0');
  }
  text.buffer.cap = (shape & 4) != 0 ? input.number(8) : text.buffer.len;
  text.memory.shrink_to_fit();
  text.buffer.data = (shape & 8) != 0 ? nullptr : text.memory.data();
  return text;
}

// The text as the contract has it; empty: to be refused.
std::string expected_text(const Text& text, std::uint64_t max) {
  const FfiBuffer& buffer = text.buffer;
  if (buffer.data == nullptr || buffer.len == 0 || buffer.len > max + 1 || buffer.cap < buffer.len) {
    return {};
  }
  std::string result(text.memory.begin(), text.memory.end());
  if (result.back() == '\0') {
    result.pop_back();
  }
  return result.size() > max || result.find('\0') != std::string::npos ? std::string() : result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMaxHost = 255, kMaxPath = 4'096;
  fuzz::Input input(data, size);
  const std::size_t shift = input.byte() % 16;
  FfiQuicConfig config{};
  config.port = static_cast<std::uint16_t>(input.number(2));
  config.max_streams = static_cast<std::uint32_t>(input.number(4));
  config.idle_timeout_ms = input.number(8);
  const Text host = read_text(input, kMaxHost);
  const Text cert = read_text(input, kMaxPath);
  const Text key = read_text(input, kMaxPath);
  config.host_addr = host.buffer;
  config.cert_path = cert.buffer;
  config.key_path = key.buffer;

  // Misaligned, there is nothing behind the pointer at all.
  fuzz::Bytes place(shift % 8 == 0 ? shift + sizeof config : shift);
  if (shift % 8 == 0) {
    std::memcpy(place.data() + shift, &config, sizeof config);
  }
  const auto options = abi::read_config(
      reinterpret_cast<const FfiQuicConfig*>(place.data() + shift));  // NOLINT: that is the point
  if (shift % 8 != 0) {
    FUZZ_CHECK(!options && options.error().code == krepis::ErrorCode::kMemoryAlignment);
    return 0;
  }
  const std::string host_text = expected_text(host, kMaxHost);
  const std::string cert_text = expected_text(cert, kMaxPath);
  const std::string key_text = expected_text(key, kMaxPath);
  const bool is_valid = config.port != 0 && config.max_streams != 0 && config.idle_timeout_ms >= 1'000 &&
                        !host_text.empty() && !cert_text.empty() && !key_text.empty();
  FUZZ_CHECK(options.has_value() == is_valid);
  if (!options) {
    FUZZ_CHECK(options.error().code == krepis::ErrorCode::kInvalidRequest &&
               !options.error().message.empty());
    return 0;
  }
  FUZZ_CHECK(options->host == host_text && options->cert_path == cert_text && options->key_path == key_text);
  FUZZ_CHECK(options->port == config.port && options->max_streams == config.max_streams);
  return 0;
}
