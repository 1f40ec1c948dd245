// Packet protection of AES-128-GCM (RFC 9001 §5), on GnuTLS alone: nothing of the server's own code, so that
// a defect of that does not hide itself.
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <array>
#include <memory>
#include <string_view>

#include "bytes.hpp"

namespace knul::attack {

inline constexpr std::size_t kTagBytes = 16;

// The keys of one level and direction.
class PacketKeys {
 public:
  explicit PacketKeys(View secret);
  // RFC 9001 §5.2, version 1. `label` is "client in" or "server in".
  static PacketKeys initial(View first_dcid, std::string_view label);

  // `packet` ends with a packet number of 4 bytes: takes the payload in and hides the header.
  void protect(Bytes& packet, View payload) const;
  // `number_at` is where the packet number begins. Empty when the packet is not from the owner of the secret.
  struct Opened {
    std::uint64_t number;
    Bytes payload;
  };
  [[nodiscard]] std::optional<Opened> open(View packet, std::size_t number_at,
                                           std::uint64_t largest_seen) const;

 private:
  struct CloseAead {
    void operator()(gnutls_aead_cipher_hd_t aead) const { gnutls_aead_cipher_deinit(aead); }
  };
  struct CloseCipher {
    void operator()(gnutls_cipher_hd_t cipher) const { gnutls_cipher_deinit(cipher); }
  };
  [[nodiscard]] std::array<std::uint8_t, 16> mask(const std::uint8_t* sample) const;
  [[nodiscard]] std::array<std::uint8_t, 12> nonce(std::uint64_t number) const;

  std::array<std::uint8_t, 12> iv_;
  std::unique_ptr<std::remove_pointer_t<gnutls_aead_cipher_hd_t>, CloseAead> aead_;
  std::unique_ptr<std::remove_pointer_t<gnutls_cipher_hd_t>, CloseCipher> hp_;
};

}  // namespace knul::attack
