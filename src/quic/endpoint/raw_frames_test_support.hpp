// A client that sends arbitrary frames in its 1-RTT packets, by replacing the payload that it seals. For
// tests of this folder; requires ipsec_mb().
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "quic/crypto/protection_library.hpp"

namespace knul::quic {

class RawFrames final : public ProtectionLibrary {
 public:
  // If not empty, these frames and PADDING replace payloads of at least kLeastBytes.
  std::vector<std::uint8_t> frames;
  static constexpr std::size_t kLeastBytes = 64;

  [[nodiscard]] std::unique_ptr<AeadKey> make_aead_key(Cipher cipher,
                                                       std::span<const std::uint8_t> key) const override {
    return std::make_unique<Key>(*this, ipsec_mb()->make_aead_key(cipher, key));
  }
  [[nodiscard]] std::unique_ptr<HeaderKey> make_header_key(Cipher cipher,
                                                           std::span<const std::uint8_t> key) const override {
    return ipsec_mb()->make_header_key(cipher, key);
  }

 private:
  class Key final : public AeadKey {
   public:
    Key(const RawFrames& library, std::unique_ptr<AeadKey> real)
        : library_(library), real_(std::move(real)) {}
    bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext, const std::uint8_t* nonce,
              std::span<const std::uint8_t> associated) override {
      const std::vector<std::uint8_t>& frames = library_.frames;
      if (frames.empty() || plaintext.size() < kLeastBytes) {
        return real_->seal(dest, plaintext, nonce, associated);
      }
      std::vector<std::uint8_t> forged;
      while (forged.size() + frames.size() <= plaintext.size()) {
        forged.insert(forged.end(), frames.begin(), frames.end());
      }
      forged.resize(plaintext.size());
      return real_->seal(dest, forged, nonce, associated);
    }
    bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext, const std::uint8_t* nonce,
              std::span<const std::uint8_t> associated) override {
      return real_->open(dest, ciphertext, nonce, associated);
    }
    void free_spare_memory() override { real_->free_spare_memory(); }

   private:
    const RawFrames& library_;
    std::unique_ptr<AeadKey> real_;
  };
};

}  // namespace knul::quic
