// The ciphers of packet protection (RFC 9001 §5.3, §5.4.3) apart from GnuTLS's.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace knul::quic {

inline constexpr std::size_t kAeadTagBytes = 16;
inline constexpr std::size_t kAeadNonceBytes = 12;

// RFC 9001 §5.3.
enum class Cipher : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

// Of a key of packets, and of one of headers.
constexpr std::size_t key_bytes(Cipher cipher) { return cipher == Cipher::kAes128Gcm ? 16 : 32; }

// A key of one of the ciphers. May stand on the list of its connection's keys. Thread: one.
class AeadKey
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~AeadKey() = default;
  // Writes plaintext.size() + kAeadTagBytes to `dest`, which may be the plaintext's own place. `nonce` has
  // kAeadNonceBytes. False: out of memory.
  [[nodiscard]] virtual bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext,
                                  const std::uint8_t* nonce, std::span<const std::uint8_t> associated) = 0;
  // The reverse; `ciphertext` ends with the tag. False also if the tag is wrong; `dest` then holds garbage.
  [[nodiscard]] virtual bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext,
                                  const std::uint8_t* nonce, std::span<const std::uint8_t> associated) = 0;
  // Frees what the next use can make again.
  virtual void rest() = 0;
};

using AeadKeyList = boost::intrusive::list<AeadKey, boost::intrusive::constant_time_size<false>>;

// A key of header protection. May stand on a list like an AeadKey. Thread: one.
class HeaderKey
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~HeaderKey() = default;
  // Writes 5 bytes. `sample` has 16. False: out of memory.
  [[nodiscard]] virtual bool mask(std::uint8_t* dest, const std::uint8_t* sample) = 0;
  // Frees what the next use can make again.
  virtual void rest() = 0;
};

using HeaderKeyList = boost::intrusive::list<HeaderKey, boost::intrusive::constant_time_size<false>>;

// Thread: any; immutable.
class ProtectionLibrary {
 public:
  virtual ~ProtectionLibrary() = default;
  // `key` has key_bytes(cipher). Lifetime: this library longer.
  [[nodiscard]] virtual std::unique_ptr<AeadKey> make_aead_key(Cipher cipher,
                                                               std::span<const std::uint8_t> key) const = 0;
  [[nodiscard]] virtual std::unique_ptr<HeaderKey> make_header_key(
      Cipher cipher, std::span<const std::uint8_t> key) const = 0;
};

// intel-ipsec-mb: 140 ns for a packet of 1,452 bytes where GnuTLS takes 390 (AES-128-GCM, VAES), two fifths
// of its time for ChaCha20-Poly1305. Null where the build does not have it or the processor no AES
// instructions. The first call of a process takes 7 ms, because the library tests itself. Lifetime: the
// process.
[[nodiscard]] const ProtectionLibrary* ipsec_mb();

}  // namespace knul::quic
