// Compares intel-ipsec-mb with the vectors of RFC 9001 and with GnuTLS. KNUL_PROTECTION_PACKETS=n compares n
// random packets of each cipher, KNUL_TEST_SEED=n repeats a run.
#include <gnutls/crypto.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "quic/crypto/hex_test_support.hpp"
#include "quic/crypto/protection_library.hpp"

namespace knul::quic {
namespace {

gnutls_datum_t datum(Bytes& bytes) { return {bytes.data(), static_cast<unsigned>(bytes.size())}; }

class IpsecMb : public testing::Test {
 protected:
  void SetUp() override {
    if (ipsec_mb() == nullptr)
      GTEST_SKIP() << "not in this build, or no AES instructions";
  }
  const ProtectionLibrary& library() { return *ipsec_mb(); }
};

// The server's Initial keys and packet, RFC 9001 appendices A.1 and A.3.
struct ServerInitial {
  Bytes key = from_hex("cf3a5331653c364c88f0f379b6067e37");
  Bytes header_key = from_hex("c206b8d9b9f0f37644430b490eeaa314");
  Bytes nonce = from_hex("0ac1493ca1905853b0bba03f");  // the IV with packet number 1
  Bytes header = from_hex("c1000000010008f067a5502a4262b50040750001");
  Bytes payload = from_hex(
      "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100"
      "002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304");
  Bytes protected_payload = from_hex(
      "5a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5"
      "b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d2039"
      "8c276456cbc42158407dd074ee");
};

TEST_F(IpsecMb, SealsThePacketOfRfc9001) {
  const ServerInitial initial;
  Bytes out(initial.payload.size() + kAeadTagBytes);
  ASSERT_TRUE(library()
                  .make_aead_key(Cipher::kAes128Gcm, initial.key)
                  ->seal(out.data(), initial.payload, initial.nonce.data(), initial.header));
  EXPECT_EQ(out, initial.protected_payload);
}

TEST_F(IpsecMb, MasksTheHeadersOfRfc9001) {
  std::array<std::uint8_t, 5> mask;
  ASSERT_TRUE(library()
                  .make_header_key(Cipher::kAes128Gcm, ServerInitial{}.header_key)
                  ->mask(mask.data(), from_hex("2cd0991cd25b0aac406a5816b6394100").data()));
  EXPECT_EQ(Bytes(mask.begin(), mask.end()), from_hex("2ec0d8356a"));
  ASSERT_TRUE(library()
                  .make_header_key(Cipher::kAes128Gcm, from_hex("9f50449e04a0e810283a1e9933adedd2"))
                  ->mask(mask.data(), from_hex("d1b1c98dd7689fb8ec11d242b123dc9b").data()));
  EXPECT_EQ(Bytes(mask.begin(), mask.end()), from_hex("437b9aec36"));
}

TEST_F(IpsecMb, UsesAKeyAfterARestAsBefore) {
  const ServerInitial initial;
  const auto key = library().make_aead_key(Cipher::kAes128Gcm, initial.key);
  const auto header_key = library().make_header_key(Cipher::kAes128Gcm, initial.header_key);
  for (int round = 0; round < 3; ++round) {
    Bytes out(initial.payload.size() + kAeadTagBytes);
    ASSERT_TRUE(key->seal(out.data(), initial.payload, initial.nonce.data(), initial.header));
    EXPECT_EQ(out, initial.protected_payload);
    Bytes mask(5);
    ASSERT_TRUE(header_key->mask(mask.data(), from_hex("2cd0991cd25b0aac406a5816b6394100").data()));
    EXPECT_EQ(mask, from_hex("2ec0d8356a"));
    key->free_spare_memory();
    header_key->free_spare_memory();
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(IpsecMb, HasTheSchedulesOfHeaderKeysOnlyInUse) {
  constexpr std::size_t kScheduleBytes = 240;
  constexpr std::size_t kMostInCache = 8 * 256;  // of the heap's cache for this thread, which counts as used
  std::vector<std::unique_ptr<HeaderKey>> keys(100);
  std::ranges::generate(
      keys, [this] { return library().make_header_key(Cipher::kAes128Gcm, ServerInitial{}.header_key); });
  const Bytes sample(16);
  Bytes mask(5);
  const std::size_t unused = mallinfo2().uordblks;
  for (const auto& key : keys)
    ASSERT_TRUE(key->mask(mask.data(), sample.data()));
  EXPECT_GE(mallinfo2().uordblks + kMostInCache, unused + keys.size() * kScheduleBytes);
  for (const auto& key : keys)
    key->free_spare_memory();
  EXPECT_LE(mallinfo2().uordblks, unused + kMostInCache);
}
#endif

TEST_F(IpsecMb, RefusesAPacketWithAnyBitChanged) {
  const ServerInitial initial;
  const auto key = library().make_aead_key(Cipher::kAes128Gcm, initial.key);
  Bytes out(initial.protected_payload.size());
  ASSERT_TRUE(key->open(out.data(), initial.protected_payload, initial.nonce.data(), initial.header));
  for (std::size_t bit = 0; bit < initial.protected_payload.size() * 8; ++bit) {
    Bytes forged = initial.protected_payload;
    forged[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(key->open(out.data(), forged, initial.nonce.data(), initial.header)) << "bit " << bit;
  }
}

// The packet of RFC 9001 appendix A.5.
TEST_F(IpsecMb, ProtectsThePacketByChaCha20OfRfc9001) {
  const auto key =
      library().make_aead_key(Cipher::kChaCha20Poly1305,
                              from_hex("c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8"));
  const auto header_key =
      library().make_header_key(Cipher::kChaCha20Poly1305,
                                from_hex("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4"));
  const Bytes nonce = from_hex("e0459b3474bdd0e46d417eb0");  // the IV with packet number 654,360,564
  const Bytes header = from_hex("4200bff4");
  const Bytes payload = from_hex("01");
  Bytes out(payload.size() + kAeadTagBytes);
  ASSERT_TRUE(key->seal(out.data(), payload, nonce.data(), header));
  EXPECT_EQ(out, from_hex("655e5cd55c41f69080575d7999c25a5bfb"));
  Bytes mask(5);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(header_key->mask(mask.data(), out.data() + 1));
    EXPECT_EQ(mask, from_hex("aefefe7d03"));
  }
  EXPECT_TRUE(key->open(out.data(), out, nonce.data(), header));
  EXPECT_EQ(out.front(), payload.front());
  for (std::size_t bit = 0; bit < out.size() * 8; ++bit) {
    Bytes forged = from_hex("655e5cd55c41f69080575d7999c25a5bfb");
    forged[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(key->open(forged.data(), forged, nonce.data(), header)) << "bit " << bit;
  }
}

TEST_F(IpsecMb, RefusesAPacketShorterThanItsTag) {
  const ServerInitial initial;
  const Bytes long_key(32);
  Bytes out(kAeadTagBytes);
  for (const auto& key : {library().make_aead_key(Cipher::kAes128Gcm, initial.key),
                          library().make_aead_key(Cipher::kChaCha20Poly1305, long_key)})
    EXPECT_FALSE(key->open(out.data(), Bytes(kAeadTagBytes - 1), initial.nonce.data(), initial.header));
}

// Both libraries with the same random keys.
class Comparison {
 public:
  Comparison(Cipher cipher, std::mt19937_64& random) : cipher_(cipher), random_(random) {
    Bytes key = random_bytes(key_bytes(cipher));
    Bytes header_key = random_bytes(key_bytes(cipher));
    const gnutls_datum_t key_datum = datum(key);
    const gnutls_datum_t header_datum = datum(header_key);
    const auto [aead, header] = names_of(cipher);
    gnutls_aead_cipher_init(&aead_, aead, &key_datum);
    gnutls_cipher_init(&header_, header, &header_datum, nullptr);
    key_ = ipsec_mb()->make_aead_key(cipher, key);
    header_key_ = ipsec_mb()->make_header_key(cipher, header_key);
  }
  ~Comparison() {
    gnutls_aead_cipher_deinit(aead_);
    gnutls_cipher_deinit(header_);
  }
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  // Seals a packet with both libraries, opens it with this one, and masks its header with both.
  [[nodiscard]] bool agrees() {
    const Bytes nonce = random_bytes(kAeadNonceBytes);
    const Bytes header = random_bytes(1 + random_() % 40);
    const Bytes payload = random_bytes(random_() % 1'500);
    Bytes expected(payload.size() + kAeadTagBytes);
    std::size_t length = expected.size();
    gnutls_aead_cipher_encrypt(aead_, nonce.data(), nonce.size(), header.data(), header.size(), kAeadTagBytes,
                               payload.data(), payload.size(), expected.data(), &length);
    Bytes packet = payload;  // sealed and opened in place, as the QUIC library does
    packet.resize(expected.size());
    if (!key_->seal(packet.data(), std::span(packet).first(payload.size()), nonce.data(), header) ||
        packet != expected || !masks_agree()) {
      return false;
    }
    const bool is_open = key_->open(packet.data(), packet, nonce.data(), header);
    packet.resize(payload.size());
    return is_open && packet == payload;
  }

 private:
  Bytes random_bytes(std::size_t count) {
    Bytes bytes(count);
    for (std::uint8_t& byte : bytes)
      byte = static_cast<std::uint8_t>(random_());
    return bytes;
  }

  // GnuTLS's names of the cipher.
  static std::pair<gnutls_cipher_algorithm_t, gnutls_cipher_algorithm_t> names_of(Cipher cipher) {
    switch (cipher) {
      case Cipher::kAes128Gcm:
        return {GNUTLS_CIPHER_AES_128_GCM, GNUTLS_CIPHER_AES_128_CBC};
      case Cipher::kAes256Gcm:
        return {GNUTLS_CIPHER_AES_256_GCM, GNUTLS_CIPHER_AES_256_CBC};
      default:
        return {GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_CIPHER_CHACHA20_32};
    }
  }

  bool masks_agree() {
    Bytes sample = random_bytes(16);
    Bytes zero(16), block(16);
    // RFC 9001 §5.4.3: the sample is one AES block. §5.4.4: it is the counter and nonce of ChaCha20.
    const bool is_aes = cipher_ != Cipher::kChaCha20Poly1305;
    Bytes& iv = is_aes ? zero : sample;
    const Bytes& plain = is_aes ? sample : zero;
    gnutls_cipher_set_iv(header_, iv.data(), iv.size());
    gnutls_cipher_encrypt2(header_, plain.data(), plain.size(), block.data(), block.size());
    std::array<std::uint8_t, 5> mask;
    return header_key_->mask(mask.data(), sample.data()) &&
           std::ranges::equal(mask, std::span(block).first(mask.size()));
  }

  Cipher cipher_;
  std::mt19937_64& random_;
  gnutls_aead_cipher_hd_t aead_ = nullptr;
  gnutls_cipher_hd_t header_ = nullptr;
  std::unique_ptr<AeadKey> key_;
  std::unique_ptr<HeaderKey> header_key_;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_F(IpsecMb, AgreesWithGnutlsOnRandomPackets) {
  const std::uint64_t packets = from_environment("KNUL_PROTECTION_PACKETS", 4'000);
  const std::uint64_t seed = from_environment("KNUL_TEST_SEED", std::random_device{}());
  SCOPED_TRACE("KNUL_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr std::uint64_t kPacketsPerKey = 100;
  for (const Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305}) {
    for (std::uint64_t done = 0; done < packets; done += kPacketsPerKey) {
      Comparison comparison(cipher, random);
      for (std::uint64_t i = 0; i < kPacketsPerKey; ++i)
        ASSERT_TRUE(comparison.agrees()) << "cipher " << int(cipher) << ", packet " << done + i;
    }
  }
}

}  // namespace
}  // namespace knul::quic
