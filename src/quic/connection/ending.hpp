// How a connection ends: the cause that the layer above is told, and the CONNECTION_CLOSE for the peer.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quic/connection/close_cause.hpp"

namespace knul::quic {

// The first cause counts. The functions that end it give true where theirs was the first. Without the memory
// for a reason there is none.
class Ending {
 public:
  Ending() = default;
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  [[nodiscard]] bool is_over() const { return cause_.has_value(); }
  // Once it is over.
  [[nodiscard]] const CloseCause& cause() const { return *cause_; }
  // Null: the peer is told nothing. Lifetime: this object.
  [[nodiscard]] const ngtcp2_ccerr* close_error() const { return close_error_ ? &*close_error_ : nullptr; }

  // The peer is told nothing.
  [[gnu::cold]] bool end(CloseCause::Source source, std::uint64_t code, std::string_view reason) noexcept;
  // The peer's CONNECTION_CLOSE, as the library gives it.
  [[gnu::cold]] bool end_by_peer(const ngtcp2_ccerr& error) noexcept;
  // The peer is told the code and the reason.
  [[gnu::cold]] bool end_by_application(CloseCause::Source source, std::uint64_t code,
                                        std::string_view reason) noexcept;
  [[gnu::cold]] bool abort(std::uint64_t transport_code, std::string_view reason) noexcept;
  // The peer is told the code. `reason` is for the layer above.
  [[gnu::cold]] bool fail_tls(std::uint8_t alert, std::string_view reason) noexcept;
  [[gnu::cold]] bool fail(int library_error) noexcept;

 private:
  bool end_locally(const ngtcp2_ccerr& error, CloseCause::Source source, std::string_view reason) noexcept;

  std::optional<CloseCause> cause_;
  std::optional<ngtcp2_ccerr> close_error_;
  std::string close_reason_;  // the bytes that close_error_ points to
};

}  // namespace knul::quic
