// Packets with correct protection around any content: what a client that holds the keys could send. RFC 9001
// §5, on GnuTLS alone, so that a defect of the library under test does not hide itself.
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>

#include <array>
#include <map>

#include <string_view>

#include "input.hpp"
#include "quic/connection/connection.hpp"

namespace knul::fuzz {

enum class Level : std::uint8_t { kInitial = 0, kHandshake = 2, kOneRtt = 4 };  // long: the packet type

// AES-128-GCM of one level and direction.
class PacketKeys {
 public:
  explicit PacketKeys(std::span<const std::uint8_t> secret)
      : iv_(expand<12>(secret, "quic iv")),
        hp_(open_cipher(GNUTLS_CIPHER_AES_128_CBC, expand<16>(secret, "quic hp"))) {
    std::array<std::uint8_t, 16> key = expand<16>(secret, "quic key");
    const gnutls_datum_t datum{key.data(), key.size()};
    gnutls_aead_cipher_hd_t aead = nullptr;
    FUZZ_CHECK(gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &datum) == 0);
    aead_.reset(aead);
  }

  // `packet` ends with the packet number, which has 4 bytes: takes the payload in and hides the header.
  void protect(Bytes& packet, std::span<const std::uint8_t> payload) const {
    const std::size_t header_bytes = packet.size();
    std::array<std::uint8_t, 12> nonce = iv_;
    for (std::size_t i = 0; i < 4; ++i) {
      nonce[8 + i] ^= packet[header_bytes - 4 + i];
    }
    Bytes sealed(payload.size() + 16);
    std::size_t sealed_bytes = sealed.size();
    FUZZ_CHECK(gnutls_aead_cipher_encrypt(aead_.get(), nonce.data(), nonce.size(), packet.data(),
                                          header_bytes, 16, payload.data(), payload.size(), sealed.data(),
                                          &sealed_bytes) == 0);
    // RFC 9001 §5.4.2: the sample begins 4 bytes behind the start of the packet number.
    std::array<std::uint8_t, 16> mask{};
    std::array<std::uint8_t, 16> zero{};
    gnutls_cipher_set_iv(hp_.get(), zero.data(), zero.size());
    FUZZ_CHECK(gnutls_cipher_encrypt2(hp_.get(), sealed.data(), 16, mask.data(), mask.size()) == 0);
    packet[0] = static_cast<std::uint8_t>(packet[0] ^ (mask[0] & ((packet[0] & 0x80) != 0 ? 0x0f : 0x1f)));
    for (std::size_t i = 0; i < 4; ++i) {
      packet[header_bytes - 4 + i] ^= mask[1 + i];
    }
    packet.insert(packet.end(), sealed.begin(), sealed.end());
  }

  // HKDF-Expand-Label, RFC 8446 §7.1.
  template <std::size_t kLength>
  static std::array<std::uint8_t, kLength> expand(std::span<const std::uint8_t> secret,
                                                  std::string_view label) {
    Bytes info{0, kLength, static_cast<std::uint8_t>(6 + label.size()), 't', 'l', 's', '1', '3', ' '};
    info.insert(info.end(), label.begin(), label.end());
    info.push_back(0);
    std::array<std::uint8_t, kLength> out;
    const gnutls_datum_t key{const_cast<std::uint8_t*>(secret.data()), static_cast<unsigned>(secret.size())};
    const gnutls_datum_t context{info.data(), static_cast<unsigned>(info.size())};
    FUZZ_CHECK(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &context, out.data(), out.size()) == 0);
    return out;
  }

  // RFC 9001 §5.2: the client's, version 1.
  static PacketKeys initial(const ngtcp2_cid& first_dcid) {
    static constexpr std::array<std::uint8_t, 20> kSalt{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                        0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                        0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    const gnutls_datum_t key{const_cast<std::uint8_t*>(first_dcid.data),
                             static_cast<unsigned>(first_dcid.datalen)};
    const gnutls_datum_t salt{const_cast<std::uint8_t*>(kSalt.data()), kSalt.size()};
    std::array<std::uint8_t, 32> secret;
    FUZZ_CHECK(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt, secret.data()) == 0);
    return PacketKeys(expand<32>(secret, "client in"));
  }

 private:
  struct CloseAead {
    void operator()(gnutls_aead_cipher_hd_t aead) const { gnutls_aead_cipher_deinit(aead); }
  };
  struct CloseCipher {
    void operator()(gnutls_cipher_hd_t cipher) const { gnutls_cipher_deinit(cipher); }
  };
  using Cipher = std::unique_ptr<std::remove_pointer_t<gnutls_cipher_hd_t>, CloseCipher>;

  // One block of CBC with a zero vector is ECB, which GnuTLS does not have.
  static Cipher open_cipher(gnutls_cipher_algorithm_t algorithm, std::array<std::uint8_t, 16> key) {
    std::array<std::uint8_t, 16> zero{};
    const gnutls_datum_t datum{key.data(), key.size()};
    const gnutls_datum_t iv{zero.data(), zero.size()};
    gnutls_cipher_hd_t cipher = nullptr;
    FUZZ_CHECK(gnutls_cipher_init(&cipher, algorithm, &datum, &iv) == 0);
    return Cipher(cipher);
  }

  std::array<std::uint8_t, 12> iv_;
  std::unique_ptr<std::remove_pointer_t<gnutls_aead_cipher_hd_t>, CloseAead> aead_;
  Cipher hp_;
};

// Sends in the name of one client connection.
// Lifetime: made before the client's handshake goes on; one at a time. `learn` while the client lives.
class PacketForge {
 public:
  explicit PacketForge(quic::Connection& client) {
    secrets() = {};
    ngtcp2_conn* const conn = client.native();
    ngtcp2_conn_get_scid(conn, &scid_);
    keys_.emplace(Level::kInitial, PacketKeys::initial(*ngtcp2_conn_get_client_initial_dcid(conn)));
    auto* const session = static_cast<gnutls_session_t>(ngtcp2_conn_get_tls_native_handle(conn));
    gnutls_session_set_keylog_function(session, &keep_secret);
    learn(client);
  }

  // Takes over what the handshake has brought: the server's connection ID, keys.
  void learn(const quic::Connection& client) {
    dcid_ = *ngtcp2_conn_get_dcid(client.native());
    for (const auto& [level, secret] : secrets()) {
      if (!keys_.contains(level)) {
        keys_.emplace(level, PacketKeys(secret));
      }
    }
  }

  [[nodiscard]] bool has_keys(Level level) const { return keys_.contains(level); }

  // `header_change` is XORed into the first byte: reserved bits, key phase, fixed bit, packet type.
  // Precondition: has_keys(level).
  Bytes make(Level level, std::span<const std::uint8_t> content, std::uint8_t header_change = 0) {
    // RFC 9000 §14.1: a server drops Initial packets in smaller datagrams.
    constexpr std::size_t kInitialBytes = 1'200;
    Bytes payload(content.begin(), content.end());
    if (level == Level::kInitial) {
      payload.resize(std::max(payload.size(), kInitialBytes));
    }
    Bytes packet = level == Level::kOneRtt ? short_header() : long_header(level, payload.size());
    packet[0] ^= header_change;
    append_number(packet, next_number_++, 4);
    keys_.at(level).protect(packet, payload);
    return packet;
  }

 private:
  Bytes short_header() const {
    Bytes packet{0x43};
    packet.insert(packet.end(), dcid_.data, dcid_.data + dcid_.datalen);
    return packet;
  }
  Bytes long_header(Level level, std::size_t payload_bytes) const {
    Bytes packet{static_cast<std::uint8_t>(0xc3 | static_cast<unsigned>(level) << 4)};
    append_number(packet, NGTCP2_PROTO_VER_V1, 4);
    for (const ngtcp2_cid& id : {dcid_, scid_}) {
      packet.push_back(static_cast<std::uint8_t>(id.datalen));
      packet.insert(packet.end(), id.data, id.data + id.datalen);
    }
    if (level == Level::kInitial) {
      packet.push_back(0);  // no token
    }
    append_number(packet, 0x80000000U | (4 + payload_bytes + 16), 4);
    return packet;
  }
  static void append_number(Bytes& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }

  // GnuTLS gives this callback nothing of ours; fuzzing has one thread.
  static std::map<Level, Bytes>& secrets() {
    static std::map<Level, Bytes> kept;
    return kept;
  }
  static int keep_secret(gnutls_session_t /*session*/, const char* label, const gnutls_datum_t* secret) {
    const std::string_view name(label);
    if (name == "CLIENT_HANDSHAKE_TRAFFIC_SECRET" || name == "CLIENT_TRAFFIC_SECRET_0") {
      FUZZ_CHECK(secret->size == 32);  // of SHA-256: the cipher suite that both sides prefer
      secrets()[name == "CLIENT_TRAFFIC_SECRET_0" ? Level::kOneRtt : Level::kHandshake] =
          Bytes(secret->data, secret->data + secret->size);
    }
    return 0;
  }

  ngtcp2_cid scid_{};
  ngtcp2_cid dcid_{};
  std::map<Level, PacketKeys> keys_;
  // Far above what the client itself uses, so that neither's packets are taken for the other's.
  std::uint64_t next_number_ = 1 << 20;
};

}  // namespace knul::fuzz
