#include "quic/wire/address_tokens.hpp"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "quic/crypto/hkdf.hpp"

namespace knul::quic {
namespace {

constexpr std::uint8_t kRetry = 0xb7;
constexpr std::uint8_t kNewToken = 0x36;

// The data that authenticates a token. Each part has a fixed length or follows its length, so that the
// encoding is unambiguous.
class Bound {
 public:
  explicit Bound(std::uint8_t kind) { add_number(kind, 1); }
  void add_number(std::uint64_t number, std::size_t bytes) {
    while (bytes-- > 0) {
      bytes_[length_++] = static_cast<std::uint8_t>(number >> (8 * bytes));
    }
  }
  void add_sized(std::span<const std::uint8_t> part) {
    add_number(part.size(), 1);
    std::ranges::copy(part, std::span(bytes_).subspan(length_, part.size()).begin());
    length_ += part.size();
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(length_); }

 private:
  std::array<std::uint8_t, 1 + 4 + 2 + 1 + 16 + 1 + NGTCP2_MAX_CIDLEN> bytes_;  // largest: Retry, IPv6
  std::size_t length_ = 0;
};

Bound bound_of(const base::SocketAddress& client) {
  Bound bound(kNewToken);
  bound.add_sized(client.ip_bytes());
  return bound;
}

Bound bound_of(const AddressTokens::RetryBinding& binding) {
  Bound bound(kRetry);
  bound.add_number(binding.version, 4);
  bound.add_number(binding.client.port(), 2);
  bound.add_sized(binding.client.ip_bytes());
  bound.add_sized({binding.source_cid.data, binding.source_cid.datalen});
  return bound;
}

}  // namespace

AddressTokens::AddressTokens(std::span<const std::uint8_t> static_secret, base::RandomSource& random)
    : random_(random) {
  constexpr std::string_view kLabel = "address tokens";
  std::array<std::uint8_t, SIV_CMAC_AES128_KEY_SIZE> derived;
  Hmac(HashFunction::kSha256, static_secret)
      .digest({reinterpret_cast<const std::uint8_t*>(kLabel.data()), kLabel.size()}, derived);
  siv_cmac_aes128_set_key(&key_, derived.data());
  gnutls_memset(derived.data(), 0, derived.size());
}

AddressTokens::~AddressTokens() { gnutls_memset(&key_, 0, sizeof(key_)); }

void AddressTokens::seal(std::span<const std::uint8_t> bound, base::Instant now,
                         std::span<std::uint8_t> content, std::span<std::uint8_t> token) {
  const base::Duration::rep time = now.time_since_epoch().count();
  std::memcpy(content.data(), &time, kTimeBytes);
  token[0] = bound[0];
  const auto nonce = token.subspan(1, kNonceBytes);
  random_.fill(nonce);
  siv_cmac_aes128_encrypt_message(&key_, nonce.size(), nonce.data(), bound.size(), bound.data(),
                                  token.size() - 1 - kNonceBytes, nonce.data() + kNonceBytes, content.data());
}

bool AddressTokens::open(std::span<const std::uint8_t> token, std::span<const std::uint8_t> bound,
                         base::Instant now, base::Duration lifetime, std::span<std::uint8_t> content) const {
  if (token.size() != kOverhead + content.size() || token[0] != bound[0]) {
    return false;
  }
  const auto nonce = token.subspan(1, kNonceBytes);
  if (siv_cmac_aes128_decrypt_message(&key_, nonce.size(), nonce.data(), bound.size(), bound.data(),
                                      content.size(), content.data(), nonce.data() + kNonceBytes) == 0) {
    return false;
  }
  base::Duration::rep time = 0;
  std::memcpy(&time, content.data(), kTimeBytes);
  return now.time_since_epoch() - base::Duration(time) < lifetime;
}

AddressTokens::NewToken AddressTokens::make_new_token(const base::SocketAddress& client, base::Instant now) {
  NewToken token;
  std::array<std::uint8_t, kTimeBytes> content;
  seal(bound_of(client).bytes(), now, content, token);
  return token;
}

bool AddressTokens::is_valid_new_token(std::span<const std::uint8_t> token, const base::SocketAddress& client,
                                       base::Instant now) const {
  std::array<std::uint8_t, kTimeBytes> content;
  return open(token, bound_of(client).bytes(), now, kNewTokenLifetime, content);
}

AddressTokens::RetryToken AddressTokens::make_retry_token(const RetryBinding& binding,
                                                          const ngtcp2_cid& original_dcid,
                                                          base::Instant now) {
  RetryToken token;
  std::array<std::uint8_t, kRetryContent> content{};
  content[kTimeBytes] = static_cast<std::uint8_t>(original_dcid.datalen);
  std::copy_n(original_dcid.data, original_dcid.datalen, content.data() + kTimeBytes + 1);
  seal(bound_of(binding).bytes(), now, content, token);
  return token;
}

bool AddressTokens::is_retry_token(std::span<const std::uint8_t> token) {
  return !token.empty() && token[0] == kRetry;
}

std::optional<ngtcp2_cid> AddressTokens::open_retry_token(std::span<const std::uint8_t> token,
                                                          const RetryBinding& binding,
                                                          base::Instant now) const {
  std::array<std::uint8_t, kRetryContent> content;
  if (!open(token, bound_of(binding).bytes(), now, kRetryLifetime, content)) {
    return std::nullopt;
  }
  ngtcp2_cid original_dcid;
  ngtcp2_cid_init(&original_dcid, content.data() + kTimeBytes + 1, content[kTimeBytes]);
  return original_dcid;
}

}  // namespace knul::quic
