#include "abi/quic_config.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "abi/call_guard.hpp"

namespace knul::abi {

namespace {

using krepis::Error;
using krepis::ErrorCode;

constexpr std::uint64_t kMaxHostBytes = 255;
constexpr std::uint64_t kMaxPathBytes = 4'096;
constexpr std::uint64_t kMinIdleTimeoutMs = 1'000;

Error invalid(std::string message) { return {ErrorCode::kInvalidRequest, std::move(message)}; }

Error wrong_length(const std::string& name, std::uint64_t length, std::uint64_t max) {
  const std::string is = length == 0 ? "empty" : std::to_string(length) + " bytes long";
  return invalid(name + " is " + is + ", expected 1 to " + std::to_string(max) + " bytes");
}

// Invariant: reads only data[0, len), and only if len is at most `max` bytes and a NUL.
krepis::Result<std::string> read_text(const std::string& name, const FfiBuffer& buffer, std::uint64_t max) {
  if (buffer.len == 0 || buffer.len > max + 1) {
    return wrong_length(name, buffer.len, max);
  }
  if (buffer.data == nullptr) {
    return invalid(name + ".data is null, expected " + std::to_string(buffer.len) + " bytes");
  }
  if (buffer.cap < buffer.len) {
    return invalid(name + ".cap is " + std::to_string(buffer.cap) + ", expected at least len (" +
                   std::to_string(buffer.len) + ")");
  }
  std::string_view text(reinterpret_cast<const char*>(buffer.data), static_cast<std::size_t>(buffer.len));
  if (text.back() == '\0') {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > max) {
    return wrong_length(name, text.size(), max);
  }
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos) {
    return invalid(name + " contains a NUL at byte " + std::to_string(at) + " of " +
                   std::to_string(buffer.len) + ", expected none");
  }
  return std::string(text);
}

krepis::Result<krepis::ServerOptions> read_numbers(const FfiQuicConfig& config) {
  if (config.port == 0) {
    return invalid("port is 0, expected 1 to 65535");
  }
  if (config.max_streams == 0) {
    return invalid("max_streams is 0, expected 1 to 4294967295");
  }
  if (config.idle_timeout_ms < kMinIdleTimeoutMs) {
    return invalid("idle_timeout_ms is " + std::to_string(config.idle_timeout_ms) +
                   ", expected at least 1000");
  }
  krepis::ServerOptions options;
  options.port = config.port;
  options.max_streams = config.max_streams;
  options.idle_timeout_ms = config.idle_timeout_ms;
  return options;
}

}  // namespace

krepis::Result<krepis::ServerOptions> read_config(const FfiQuicConfig* config) {
  if (config == nullptr) {
    return Error{ErrorCode::kInvalidPointer, "config is null, expected a pointer to an FfiQuicConfig"};
  }
  if (!is_aligned(config)) {
    return Error{ErrorCode::kMemoryAlignment, "config is not aligned to 8 bytes"};
  }
  auto options = read_numbers(*config);
  if (!options) {
    return options;
  }
  struct Text {
    const char* name;
    const FfiBuffer& buffer;
    std::uint64_t max_bytes;
    std::string& place;
  };
  for (const Text& text : {Text{"host_addr", config->host_addr, kMaxHostBytes, options->host},
                           Text{"cert_path", config->cert_path, kMaxPathBytes, options->cert_path},
                           Text{"key_path", config->key_path, kMaxPathBytes, options->key_path}}) {
    auto read = read_text(text.name, text.buffer, text.max_bytes);
    if (!read) {
      return std::move(read).error();
    }
    text.place = *std::move(read);
  }
  return options;
}

}  // namespace knul::abi
