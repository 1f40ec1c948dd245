// Packet protection by intel-ipsec-mb, with its functions for a single packet. Its job manager is for batches
// of packets, but the QUIC library encrypts one packet at a time.
#include "quic/crypto/protection_library.hpp"

#ifndef KNUL_HAS_IPSEC_MB

namespace knul::quic {

const ProtectionLibrary* ipsec_mb() { return nullptr; }

}  // namespace knul::quic

#else

#include <intel-ipsec-mb.h>
#include <nettle/chacha.h>
#include <wmmintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace knul::quic {
namespace {

using Tag = std::array<std::uint8_t, kAeadTagBytes>;

// In constant time, so that a forger cannot guess the tag byte by byte.
bool is_same(const Tag& tag, std::span<const std::uint8_t, kAeadTagBytes> expected) {
  std::array<std::uint64_t, 2> one;
  std::array<std::uint64_t, 2> other;
  static_assert(sizeof(one) == kAeadTagBytes);
  std::memcpy(one.data(), tag.data(), sizeof(one));
  std::memcpy(other.data(), expected.data(), sizeof(other));
  return ((one[0] ^ other[0]) | (one[1] ^ other[1])) == 0;
}

// The functions for one key size.
struct GcmFunctions {
  aes_gcm_pre_t expand;
  aes_gcm_enc_dec_t encrypt;
  aes_gcm_enc_dec_t decrypt;
};

class GcmKey final : public AeadKey {
 public:
  GcmKey(const GcmFunctions& functions, std::span<const std::uint8_t> key) : functions_(functions) {
    std::ranges::copy(key, key_.begin());
  }
  ~GcmKey() override {
    imb_clear_mem(key_.data(), key_.size());
    GcmKey::free_spare_memory();
  }
  GcmKey(const GcmKey&) = delete;
  GcmKey& operator=(const GcmKey&) = delete;

  bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext, const std::uint8_t* nonce,
            std::span<const std::uint8_t> associated) override {
    if (!is_expanded()) {
      return false;
    }
    gcm_context_data context;
    functions_.encrypt(schedule_.get(), &context, dest, plaintext.data(), plaintext.size(), nonce,
                       associated.data(), associated.size(), dest + plaintext.size(), kAeadTagBytes);
    return true;
  }

  bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext, const std::uint8_t* nonce,
            std::span<const std::uint8_t> associated) override {
    if (ciphertext.size() < kAeadTagBytes || !is_expanded()) {
      return false;
    }
    gcm_context_data context;
    Tag tag;
    functions_.decrypt(schedule_.get(), &context, dest, ciphertext.data(), ciphertext.size() - tag.size(),
                       nonce, associated.data(), associated.size(), tag.data(), tag.size());
    return is_same(tag, ciphertext.last<kAeadTagBytes>());
  }

  void free_spare_memory() override {
    if (schedule_ != nullptr) {
      imb_clear_mem(schedule_.get(), sizeof(gcm_key_data));
      schedule_.reset();
    }
  }

 private:
  // The schedule of 1 KB is made at the first use: every connection has keys of the next key phase, and most
  // of these are never used.
  bool is_expanded() {
    if (schedule_ == nullptr) {
      schedule_.reset(new (std::nothrow) gcm_key_data);
      if (schedule_ != nullptr) {
        functions_.expand(key_.data(), schedule_.get());
      }
    }
    return schedule_ != nullptr;
  }

  const GcmFunctions& functions_;
  std::array<std::uint8_t, 32> key_{};
  std::unique_ptr<gcm_key_data> schedule_;
};

struct ChaChaFunctions {
  chacha_poly_init_t begin;
  chacha_poly_enc_dec_update_t encrypt;
  chacha_poly_enc_dec_update_t decrypt;
  chacha_poly_finalize_t finish;
};

class ChaChaKey final : public AeadKey {
 public:
  ChaChaKey(const ChaChaFunctions& functions, std::span<const std::uint8_t> key) : functions_(functions) {
    std::ranges::copy(key, key_.begin());
  }
  ~ChaChaKey() override { imb_clear_mem(key_.data(), key_.size()); }
  ChaChaKey(const ChaChaKey&) = delete;
  ChaChaKey& operator=(const ChaChaKey&) = delete;

  bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext, const std::uint8_t* nonce,
            std::span<const std::uint8_t> associated) override {
    chacha20_poly1305_context_data context;
    functions_.begin(key_.data(), &context, nonce, associated.data(), associated.size());
    functions_.encrypt(key_.data(), &context, dest, plaintext.data(), plaintext.size());
    functions_.finish(&context, dest + plaintext.size(), kAeadTagBytes);
    return true;
  }

  bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext, const std::uint8_t* nonce,
            std::span<const std::uint8_t> associated) override {
    if (ciphertext.size() < kAeadTagBytes) {
      return false;
    }
    chacha20_poly1305_context_data context;
    Tag expected;
    std::copy_n(ciphertext.last<kAeadTagBytes>().begin(), expected.size(), expected.begin());
    functions_.begin(key_.data(), &context, nonce, associated.data(), associated.size());
    functions_.decrypt(key_.data(), &context, dest, ciphertext.data(), ciphertext.size() - kAeadTagBytes);
    Tag tag;
    functions_.finish(&context, tag.data(), tag.size());
    return is_same(tag, expected);
  }

  void free_spare_memory() override {}

 private:
  const ChaChaFunctions& functions_;
  std::array<std::uint8_t, 32> key_{};
};

// RFC 9001 §5.4.4. By Nettle: intel-ipsec-mb has ChaCha20 only with Poly1305 and with its own counter.
class ChaChaHeaderKey final : public HeaderKey {
 public:
  explicit ChaChaHeaderKey(std::span<const std::uint8_t> key) { chacha_set_key(&context_, key.data()); }
  ~ChaChaHeaderKey() override { imb_clear_mem(&context_, sizeof(context_)); }
  ChaChaHeaderKey(const ChaChaHeaderKey&) = delete;
  ChaChaHeaderKey& operator=(const ChaChaHeaderKey&) = delete;

  bool mask(std::uint8_t* dest, const std::uint8_t* sample) override {
    static constexpr std::array<std::uint8_t, 5> kZeros{};
    chacha_set_nonce96(&context_, sample + CHACHA_COUNTER32_SIZE);  // also sets the counter to 0
    chacha_set_counter32(&context_, sample);
    chacha_crypt32(&context_, kZeros.size(), dest, kZeros.data());
    return true;
  }

  void free_spare_memory() override {}

 private:
  chacha_ctx context_;
};

// The key expansion for one key size.
struct AesFunctions {
  keyexp_t expand;
  std::size_t rounds;
};

class AesHeaderKey final : public HeaderKey {
 public:
  AesHeaderKey(const AesFunctions& functions, std::span<const std::uint8_t> key) : functions_(functions) {
    std::ranges::copy(key, key_.begin());
  }
  ~AesHeaderKey() override {
    imb_clear_mem(key_.data(), key_.size());
    AesHeaderKey::free_spare_memory();
  }
  AesHeaderKey(const AesHeaderKey&) = delete;
  AesHeaderKey& operator=(const AesHeaderKey&) = delete;

  // By the processor's instructions: intel-ipsec-mb has single blocks only inside slower modes.
  __attribute__((target("aes,sse2"))) bool mask(std::uint8_t* dest, const std::uint8_t* sample) override {
    if (!is_expanded()) {
      return false;
    }
    const auto* keys = reinterpret_cast<const __m128i*>(schedule_->data());
    const std::size_t rounds = functions_.rounds;
    __m128i block = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sample)), keys[0]);
#pragma GCC unroll 10
    for (std::size_t round = 1; round < kFewestRounds; ++round) {
      block = _mm_aesenc_si128(block, keys[round]);
    }
    for (std::size_t round = kFewestRounds; round < rounds; ++round) {
      block = _mm_aesenc_si128(block, keys[round]);
    }
    block = _mm_aesenclast_si128(block, keys[rounds]);
    const std::int64_t first_half = _mm_cvtsi128_si64(block);
    std::memcpy(dest, &first_half, 5);
    return true;
  }

  void free_spare_memory() override {
    if (schedule_ != nullptr) {
      imb_clear_mem(schedule_->data(), schedule_->size());
      schedule_.reset();
    }
  }

 private:
  static constexpr std::size_t kFewestRounds = 10;
  static constexpr std::size_t kMostRounds = 14;
  using Schedule = std::array<std::uint8_t, (kMostRounds + 1) * 16>;
  static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= alignof(__m128i));

  // At the first use, as in GcmKey.
  bool is_expanded() {
    if (schedule_ == nullptr) {
      schedule_.reset(new (std::nothrow) Schedule);
      if (schedule_ != nullptr) {
        alignas(16) Schedule for_decryption;
        functions_.expand(key_.data(), schedule_->data(), for_decryption.data());
        imb_clear_mem(for_decryption.data(), for_decryption.size());
      }
    }
    return schedule_ != nullptr;
  }

  const AesFunctions& functions_;
  std::array<std::uint8_t, 32> key_{};
  std::unique_ptr<Schedule> schedule_;
};

class IpsecMb final : public ProtectionLibrary {
 public:
  explicit IpsecMb(const IMB_MGR& manager)
      : aes128_{manager.gcm128_pre, manager.gcm128_enc, manager.gcm128_dec},
        aes256_{manager.gcm256_pre, manager.gcm256_enc, manager.gcm256_dec},
        chacha20_{manager.chacha20_poly1305_init, manager.chacha20_poly1305_enc_update,
                  manager.chacha20_poly1305_dec_update, manager.chacha20_poly1305_finalize},
        header128_{manager.keyexp_128, 10},
        header256_{manager.keyexp_256, 14} {}

  std::unique_ptr<AeadKey> make_aead_key(Cipher cipher, std::span<const std::uint8_t> key) const override {
    if (cipher == Cipher::kChaCha20Poly1305) {
      return std::make_unique<ChaChaKey>(chacha20_, key);
    }
    return std::make_unique<GcmKey>(cipher == Cipher::kAes128Gcm ? aes128_ : aes256_, key);
  }
  std::unique_ptr<HeaderKey> make_header_key(Cipher cipher,
                                             std::span<const std::uint8_t> key) const override {
    if (cipher == Cipher::kChaCha20Poly1305) {
      return std::make_unique<ChaChaHeaderKey>(key);
    }
    return std::make_unique<AesHeaderKey>(cipher == Cipher::kAes128Gcm ? header128_ : header256_, key);
  }

 private:
  GcmFunctions aes128_;
  GcmFunctions aes256_;
  ChaChaFunctions chacha20_;
  AesFunctions header128_;
  AesFunctions header256_;
};

// The manager only chooses the functions for this processor.
std::unique_ptr<const IpsecMb> load() {
  const std::unique_ptr<IMB_MGR, void (*)(IMB_MGR*)> manager(alloc_mb_mgr(0), &free_mb_mgr);
  if (manager == nullptr) {
    return nullptr;
  }
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  // Without AES instructions intel-ipsec-mb computes in software, slower than GnuTLS.
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  const bool is_usable = imb_get_errno(manager.get()) == 0 && (manager->features & kNeeded) == kNeeded;
  return is_usable ? std::make_unique<const IpsecMb>(*manager) : nullptr;
}

}  // namespace

const ProtectionLibrary* ipsec_mb() {
  // Never destroyed: a host may leave main while workers still run.
  static const ProtectionLibrary* const library = load().release();
  return library;
}

}  // namespace knul::quic

#endif
