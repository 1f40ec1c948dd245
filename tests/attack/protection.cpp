#include "protection.hpp"

#include <stdexcept>

namespace knul::attack {
namespace {

void check(int result, const char* what) {
  if (result < 0) {
    throw std::runtime_error(std::string(what) + ": " + gnutls_strerror(result));
  }
}

gnutls_datum_t datum(View bytes) {
  return {const_cast<std::uint8_t*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}

// HKDF-Expand-Label, RFC 8446 §7.1.
template <std::size_t kLength>
std::array<std::uint8_t, kLength> expand(View secret, std::string_view label) {
  Bytes info{0, kLength, static_cast<std::uint8_t>(6 + label.size()), 't', 'l', 's', '1', '3', ' '};
  info.insert(info.end(), label.begin(), label.end());
  info.push_back(0);
  std::array<std::uint8_t, kLength> out{};
  const gnutls_datum_t key = datum(secret);
  const gnutls_datum_t context = datum(info);
  check(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &context, out.data(), out.size()), "gnutls_hkdf_expand");
  return out;
}

}  // namespace

PacketKeys::PacketKeys(View secret) : iv_(expand<12>(secret, "quic iv")) {
  const auto key = expand<16>(secret, "quic key");
  const auto hp = expand<16>(secret, "quic hp");
  const std::array<std::uint8_t, 16> zero{};
  const gnutls_datum_t key_datum = datum(key);
  const gnutls_datum_t hp_datum = datum(hp);
  const gnutls_datum_t zero_datum = datum(zero);
  gnutls_aead_cipher_hd_t aead = nullptr;
  check(gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key_datum), "gnutls_aead_cipher_init");
  aead_.reset(aead);
  // One block of CBC with a zero vector is ECB, which GnuTLS does not have.
  gnutls_cipher_hd_t cipher = nullptr;
  check(gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_CBC, &hp_datum, &zero_datum), "gnutls_cipher_init");
  hp_.reset(cipher);
}

PacketKeys PacketKeys::initial(View first_dcid, std::string_view label) {
  static constexpr std::array<std::uint8_t, 20> kSalt{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                      0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                      0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
  const gnutls_datum_t key = datum(first_dcid);
  const gnutls_datum_t salt = datum(kSalt);
  std::array<std::uint8_t, 32> secret{};
  check(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt, secret.data()), "gnutls_hkdf_extract");
  return PacketKeys(expand<32>(secret, label));
}

std::array<std::uint8_t, 16> PacketKeys::mask(const std::uint8_t* sample) const {
  std::array<std::uint8_t, 16> out{};
  std::array<std::uint8_t, 16> zero{};
  gnutls_cipher_set_iv(hp_.get(), zero.data(), zero.size());
  check(gnutls_cipher_encrypt2(hp_.get(), sample, 16, out.data(), out.size()), "header protection");
  return out;
}

std::array<std::uint8_t, 12> PacketKeys::nonce(std::uint64_t number) const {
  std::array<std::uint8_t, 12> out = iv_;
  for (std::size_t i = 0; i < 8; ++i) {
    out[11 - i] = static_cast<std::uint8_t>(out[11 - i] ^ (number >> (8 * i)));
  }
  return out;
}

void PacketKeys::protect(Bytes& packet, View payload) const {
  const std::size_t header_bytes = packet.size();
  const auto iv = nonce(Reader(View(packet).last(4)).number(4));
  packet.resize(header_bytes + payload.size() + kTagBytes);
  std::size_t sealed_bytes = payload.size() + kTagBytes;
  check(
      gnutls_aead_cipher_encrypt(aead_.get(), iv.data(), iv.size(), packet.data(), header_bytes, kTagBytes,
                                 payload.data(), payload.size(), packet.data() + header_bytes, &sealed_bytes),
      "encryption");
  // RFC 9001 §5.4.2: the sample begins 4 bytes behind the start of the packet number.
  const auto hidden = mask(packet.data() + header_bytes);
  packet[0] = static_cast<std::uint8_t>(packet[0] ^ (hidden[0] & ((packet[0] & 0x80) != 0 ? 0x0f : 0x1f)));
  for (std::size_t i = 0; i < 4; ++i) {
    packet[header_bytes - 4 + i] ^= hidden[1 + i];
  }
}

std::optional<PacketKeys::Opened> PacketKeys::open(View packet, std::size_t number_at,
                                                   std::uint64_t largest_seen) const {
  if (packet.size() < number_at + 4 + 16) {
    return std::nullopt;
  }
  const auto hidden = mask(packet.data() + number_at + 4);
  Bytes header(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(number_at));
  header[0] = static_cast<std::uint8_t>(header[0] ^ (hidden[0] & ((header[0] & 0x80) != 0 ? 0x0f : 0x1f)));
  const std::size_t number_bytes = (header[0] & 3U) + 1;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < number_bytes; ++i) {
    header.push_back(static_cast<std::uint8_t>(packet[number_at + i] ^ hidden[1 + i]));
    number = number << 8 | header.back();
  }
  // RFC 9000 §A.3, without the case of numbers near 2^62.
  const std::uint64_t window = std::uint64_t{1} << (8 * number_bytes);
  const std::uint64_t expected = largest_seen + 1;
  number |= expected & ~(window - 1);
  if (number + window / 2 <= expected) {
    number += window;
  } else if (number > expected + window / 2 && number >= window) {
    number -= window;
  }
  const View sealed = packet.subspan(number_at + number_bytes);
  if (sealed.size() < kTagBytes) {
    return std::nullopt;
  }
  const auto iv = nonce(number);
  Opened opened{number, Bytes(sealed.size() - kTagBytes)};
  std::size_t length = opened.payload.size();
  if (gnutls_aead_cipher_decrypt(aead_.get(), iv.data(), iv.size(), header.data(), header.size(), kTagBytes,
                                 sealed.data(), sealed.size(), opened.payload.data(), &length) < 0) {
    return std::nullopt;
  }
  return opened;
}

}  // namespace knul::attack
