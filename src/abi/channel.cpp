// The functions of krepis/channel.h that libknul.so exports. They check pointer arguments, call src/channel,
// and convert outcomes to codes.
#include <krepis/krepis.h>

#include "abi/call_guard.hpp"
#include "abi/channel_info.hpp"
#include "abi/channel_open.hpp"
#include "abi/channel_pin.hpp"

namespace abi = knul::abi;
using abi::ChannelPin;
using abi::Process;
using knul::channel::Channel;
using knul::channel::Outcome;
using krepis::ErrorCode;

namespace {

// Returns the number of the Outcome that `call(Channel&)` returns, or its negated code.
template <class Call>
std::int32_t number_of(std::uint32_t handle, Call&& call) noexcept {
  std::int32_t number = 0;
  const FfiResponse response = abi::guarded([&](Process& process) {
    const ChannelPin pin(process, handle);
    if (!pin) {
      return abi::unknown_channel(handle);
    }
    pin->count_call();
    const Outcome outcome = call(*pin);
    if (outcome.is_refused()) {
      return abi::failure(outcome.code, outcome.why);
    }
    number = outcome.number;
    return abi::success();
  });
  return response.error_code == KREPIS_SUCCESS ? number : -static_cast<std::int32_t>(response.error_code);
}

template <class Call>
std::uint32_t code_of(std::uint32_t handle, Call&& call) noexcept {
  return static_cast<std::uint32_t>(-number_of(handle, std::forward<Call>(call)));
}

// Writes the facts that `call(Channel&, facts)` fills in as JSON.
template <class Facts, class Call>
std::uint32_t json_of(std::uint32_t handle, FfiResponse* out, Call&& call) noexcept {
  return abi::guarded_into(out, [&] {
    return abi::guarded([&](Process& process) {
      const ChannelPin pin(process, handle);
      if (!pin) {
        return abi::unknown_channel(handle);
      }
      Facts facts;
      const Outcome outcome = call(*pin, facts);
      if (outcome.is_refused()) {
        return abi::failure(outcome.code, outcome.why);
      }
      std::string& text = abi::new_result_text();
      abi::write_json(facts, text);
      return abi::success(abi::buffer_of(text));
    });
  });
}

Outcome null_pointer(const char* text) { return Outcome::refuse(ErrorCode::kInvalidPointer, text); }

}  // namespace

extern "C" {

std::uint32_t krepis_channel_open(std::uint64_t handle, const FfiChannelConfig* config,
                                  FfiChannelRegion* region) noexcept {
  return abi::guarded([&](Process& process) { return abi::open_channel(process, handle, config, region); })
      .error_code;
}

std::int32_t krepis_channel_arm(std::uint32_t channel) noexcept {
  return number_of(channel, [](Channel& found) { return found.arm(); });
}

std::int32_t krepis_channel_wait(std::uint32_t channel, std::uint32_t timeout_ms) noexcept {
  return number_of(channel, [&](Channel& found) { return found.wait(timeout_ms); });
}

std::uint32_t krepis_channel_release(std::uint32_t channel, const std::uint32_t* offsets,
                                     std::uint32_t count) noexcept {
  return code_of(channel, [&](Channel& found) {
    return offsets == nullptr && count > 0
               ? null_pointer("offsets is null, expected a pointer because count is not 0")
               : found.release({offsets, count});
  });
}

std::uint32_t krepis_channel_flush(std::uint32_t channel) noexcept {
  return code_of(channel, [](Channel& found) { return found.flush(); });
}

std::uint32_t krepis_channel_info_into(std::uint32_t channel, FfiResponse* out) noexcept {
  return json_of<knul::channel::Figures>(
      channel, out, [](Channel& found, knul::channel::Figures& figures) { return found.measure(figures); });
}

std::uint32_t krepis_channel_log(std::uint32_t channel, std::uint32_t enabled) noexcept {
  return abi::guarded([&](Process& process) { return abi::set_channel_log(process, channel, enabled); })
      .error_code;
}

std::uint32_t krepis_channel_close(std::uint32_t channel) noexcept {
  return code_of(channel, [](Channel& found) { return found.close(); });
}

std::uint32_t krepis_channel_unmap(std::uint32_t channel) noexcept {
  return abi::guarded([&](Process& process) { return abi::unmap_channel(process, channel); }).error_code;
}

std::int32_t krepis_stream_write(std::uint32_t channel, std::uint32_t stream, const std::uint8_t* data,
                                 std::uint32_t length, std::uint32_t flags) noexcept {
  return number_of(channel, [&](Channel& found) {
    return data == nullptr && length > 0
               ? null_pointer("data is null, expected a pointer because length is not 0")
               : found.write(stream, {data, length}, flags);
  });
}

std::int32_t krepis_stream_open(std::uint32_t channel, std::uint32_t connection,
                                std::uint32_t unidirectional) noexcept {
  return number_of(channel, [&](Channel& found) {
    using Direction = krepis::StreamDirection;
    return unidirectional > 1
               ? Outcome::refuse(ErrorCode::kInvalidRequest, "unidirectional is above 1, expected 0 or 1")
               : found.open_stream(connection, unidirectional == 1 ? Direction::kUnidirectional
                                                                   : Direction::kBidirectional);
  });
}

std::uint32_t krepis_stream_reset(std::uint32_t channel, std::uint32_t stream, std::uint64_t code) noexcept {
  return code_of(channel, [&](Channel& found) { return found.reset(stream, code); });
}

std::uint32_t krepis_stream_stop_sending(std::uint32_t channel, std::uint32_t stream,
                                         std::uint64_t code) noexcept {
  return code_of(channel, [&](Channel& found) { return found.stop_sending(stream, code); });
}

std::uint32_t krepis_stream_priority(std::uint32_t channel, std::uint32_t stream, std::uint32_t urgency,
                                     std::uint32_t incremental) noexcept {
  return code_of(channel, [&](Channel& found) { return found.set_priority(stream, urgency, incremental); });
}

std::uint32_t krepis_stream_info_into(std::uint32_t channel, std::uint32_t stream,
                                      FfiResponse* out) noexcept {
  return json_of<knul::channel::StreamFacts>(channel, out,
                                             [&](Channel& found, knul::channel::StreamFacts& facts) {
                                               return found.describe_stream(stream, facts);
                                             });
}

std::int32_t krepis_datagram_send(std::uint32_t channel, std::uint32_t connection, const std::uint8_t* data,
                                  std::uint32_t length, std::uint32_t policy, std::uint32_t expires_ms,
                                  std::uint32_t context) noexcept {
  return number_of(channel, [&](Channel& found) {
    return data == nullptr ? null_pointer("data is null, expected a datagram")
                           : found.send_datagram(connection, {data, length}, {policy, expires_ms, context});
  });
}

std::uint32_t krepis_connection_close(std::uint32_t channel, std::uint32_t connection, std::uint64_t code,
                                      const char* reason, std::uint32_t reason_length) noexcept {
  return code_of(channel, [&](Channel& found) {
    return reason == nullptr && reason_length > 0
               ? null_pointer("reason is null, expected a pointer because reason_length is not 0")
               : found.close_connection(connection, code, {reason, reason_length});
  });
}

std::uint32_t krepis_connection_info_into(std::uint32_t channel, std::uint32_t connection,
                                          FfiResponse* out) noexcept {
  return json_of<knul::channel::ConnectionFacts>(channel, out,
                                                 [&](Channel& found, knul::channel::ConnectionFacts& facts) {
                                                   return found.describe_connection(connection, facts);
                                                 });
}

}  // extern "C"
