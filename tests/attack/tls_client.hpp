// The TLS side of a client: GnuTLS, which gives its messages to the caller instead of sending them.
#pragma once

#include <gnutls/gnutls.h>

#include <map>
#include <string>

#include "bytes.hpp"

namespace knul::attack {

enum class Level : std::uint8_t { kInitial, kZeroRtt, kHandshake, kOneRtt };

// Lifetime: stays where it is, GnuTLS points to it.
class TlsClient {
 public:
  // An empty ALPN name sends no ALPN extension, empty parameters no extension with transport parameters.
  TlsClient(const std::string& alpn, Bytes transport_parameters);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Goes on as far as it can. False when TLS refuses what the server said.
  bool advance();
  void receive(Level level, View message);
  [[nodiscard]] bool is_complete() const { return is_complete_; }

  // What to send and what to protect it with, by level; filled by advance().
  std::map<Level, Bytes> messages;
  struct Secrets {
    Bytes read, write;
  };
  std::map<Level, Secrets> secrets;

 private:
  struct Hooks;  // the functions that GnuTLS calls
  gnutls_session_t session_ = nullptr;
  Bytes transport_parameters_;
  bool is_complete_ = false;
};

}  // namespace knul::attack
