// The interface to ciphers of packet protection outside GnuTLS (RFC 9001 §5.3, §5.4.3).
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

// The length of an AEAD key and of a header protection key.
constexpr std::size_t key_bytes(Cipher cipher) { return cipher == Cipher::kAes128Gcm ? 16 : 32; }

// An AEAD key of one cipher, linked into its connection's list of keys. Thread: one.
class AeadKey
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~AeadKey() = default;
  // Writes plaintext.size() + kAeadTagBytes to `dest`, which may be the plaintext itself. `nonce` has
  // kAeadNonceBytes. False: out of memory.
  [[nodiscard]] virtual bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext,
                                  const std::uint8_t* nonce, std::span<const std::uint8_t> associated) = 0;
  // Reverses seal(); `ciphertext` ends with the tag. False: out of memory or a wrong tag; `dest` then has
  // undefined content.
  [[nodiscard]] virtual bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext,
                                  const std::uint8_t* nonce, std::span<const std::uint8_t> associated) = 0;
  // Frees memory that the next use can make again.
  virtual void free_spare_memory() = 0;
};

using AeadKeyList = boost::intrusive::list<AeadKey, boost::intrusive::constant_time_size<false>>;

// A key of header protection, linked into a list as an AeadKey is. Thread: one.
class HeaderKey
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~HeaderKey() = default;
  // Writes 5 bytes. `sample` has 16. False: out of memory.
  [[nodiscard]] virtual bool mask(std::uint8_t* dest, const std::uint8_t* sample) = 0;
  // Frees memory that the next use can make again.
  virtual void free_spare_memory() = 0;
};

using HeaderKeyList = boost::intrusive::list<HeaderKey, boost::intrusive::constant_time_size<false>>;

// Thread: any; immutable.
class ProtectionLibrary {
 public:
  virtual ~ProtectionLibrary() = default;
  // `key` has key_bytes(cipher). Lifetime: this library outlives the result.
  [[nodiscard]] virtual std::unique_ptr<AeadKey> make_aead_key(Cipher cipher,
                                                               std::span<const std::uint8_t> key) const = 0;
  [[nodiscard]] virtual std::unique_ptr<HeaderKey> make_header_key(
      Cipher cipher, std::span<const std::uint8_t> key) const = 0;
};

// intel-ipsec-mb: 140 ns for a packet of 1,452 bytes where GnuTLS takes 390 (AES-128-GCM, VAES), and two
// fifths of GnuTLS's time for ChaCha20-Poly1305. Null in a build without it and on a processor without AES
// instructions. The first call of a process takes 7 ms, because the library tests itself. Lifetime: the
// process.
[[nodiscard]] const ProtectionLibrary* ipsec_mb();

}  // namespace knul::quic
