// TLS between two sessions of GnuTLS over strings, without QUIC.
#pragma once

#include <gnutls/gnutls.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace knul::quic {

// TLS over two strings.
class TlsPeer {
 public:
  TlsPeer(unsigned role, const std::string& priority, gnutls_certificate_credentials_t credentials) {
    gnutls_init(&session_, role);
    gnutls_priority_set_direct(session_, priority.c_str(), nullptr);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_push_function(session_, &push);
    gnutls_transport_set_pull_function(session_, &pull);
  }
  ~TlsPeer() { gnutls_deinit(session_); }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  int shake_hands() { return result_ == GNUTLS_E_AGAIN ? result_ = gnutls_handshake(session_) : result_; }
  void connect(TlsPeer& other) {
    other_ = &other;
    other.other_ = this;
  }
  [[nodiscard]] gnutls_session_t native() const { return session_; }

 private:
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, std::size_t size) {
    static_cast<TlsPeer*>(self)->other_->input_.append(static_cast<const char*>(data), size);
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* data, std::size_t size) {
    std::string& input = static_cast<TlsPeer*>(self)->input_;
    if (input.empty()) {
      gnutls_transport_set_errno(static_cast<TlsPeer*>(self)->session_, EAGAIN);
      return -1;
    }
    const std::size_t taken = std::min(size, input.size());
    std::memcpy(data, input.data(), taken);
    input.erase(0, taken);
    return static_cast<ssize_t>(taken);
  }

  gnutls_session_t session_ = nullptr;
  TlsPeer* other_ = nullptr;
  std::string input_;
  int result_ = GNUTLS_E_AGAIN;
};

// True: the handshake is complete on both sides.
inline bool shake_hands(TlsPeer& client, TlsPeer& server) {
  client.connect(server);
  for (int turn = 0; turn < 10; ++turn) {
    const int of_client = client.shake_hands();
    if (of_client == 0 && server.shake_hands() == 0) {
      return true;
    }
    (void)server.shake_hands();
  }
  return false;
}

}  // namespace knul::quic
