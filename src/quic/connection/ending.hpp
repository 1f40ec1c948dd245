// The end of a connection: the cause for the layer above, and the CONNECTION_CLOSE for the peer.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quic/connection/close_cause.hpp"

namespace knul::quic {

// Only the first cause counts; each function returns true if its cause is the first. The reason stays empty
// when memory for it is short.
class Ending {
 public:
  Ending() = default;
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  [[nodiscard]] bool has_ended() const { return cause_.has_value(); }
  // Requires has_ended().
  [[nodiscard]] const CloseCause& cause() const { return *cause_; }
  // Null: no CONNECTION_CLOSE is sent. Lifetime: this object.
  [[nodiscard]] const ngtcp2_ccerr* close_error() const { return close_error_ ? &*close_error_ : nullptr; }

  // Sends no CONNECTION_CLOSE.
  [[gnu::cold]] bool end(CloseCause::Source source, std::uint64_t code, std::string_view reason) noexcept;
  // Takes the peer's CONNECTION_CLOSE from the library.
  [[gnu::cold]] bool end_by_peer(const ngtcp2_ccerr& error) noexcept;
  // Sends the code and the reason.
  [[gnu::cold]] bool end_by_application(CloseCause::Source source, std::uint64_t code,
                                        std::string_view reason) noexcept;
  [[gnu::cold]] bool abort(std::uint64_t transport_code, std::string_view reason) noexcept;
  // Sends the code. `reason` is for the layer above only.
  [[gnu::cold]] bool fail_tls(std::uint8_t alert, std::string_view reason) noexcept;
  [[gnu::cold]] bool fail(int library_error) noexcept;

 private:
  bool end_locally(const ngtcp2_ccerr& error, CloseCause::Source source, std::string_view reason) noexcept;

  std::optional<CloseCause> cause_;
  std::optional<ngtcp2_ccerr> close_error_;  // may point to the reason in cause_
};

}  // namespace knul::quic
