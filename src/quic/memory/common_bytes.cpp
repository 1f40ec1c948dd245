#include "quic/memory/common_bytes.hpp"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <cstring>

namespace knul::quic {
namespace {

using Sequence = std::uint64_t;
static_assert(sizeof(Sequence) == kShortestCommonBytes);

Sequence sequence_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  Sequence sequence = 0;
  std::memcpy(&sequence, bytes.data() + at, sizeof(sequence));
  return sequence;
}

// The sequences at all offsets, in ascending order. The destructor wipes them, because some hold keys.
class Sequences {
 public:
  explicit Sequences(std::span<const std::uint8_t> bytes) {
    if (bytes.size() >= sizeof(Sequence)) {
      all_.resize(bytes.size() - sizeof(Sequence) + 1);
    }
    for (std::size_t at = 0; at < all_.size(); ++at) {
      all_[at] = sequence_at(bytes, at);
    }
    std::ranges::sort(all_);
  }
  ~Sequences() { gnutls_memset(all_.data(), 0, all_.size() * sizeof(Sequence)); }
  Sequences(const Sequences&) = delete;
  Sequences& operator=(const Sequences&) = delete;

  [[nodiscard]] bool contains(Sequence sequence) const { return std::ranges::binary_search(all_, sequence); }

 private:
  std::vector<Sequence> all_;
};

}  // namespace

std::vector<std::uint8_t> common_bytes(std::span<const std::uint8_t> one,
                                       std::span<const std::uint8_t> other) {
  const Sequences known(one);
  std::vector<std::uint8_t> common;
  std::size_t taken = 0;  // bytes of `other` before this are in the result
  for (std::size_t at = 0; at + sizeof(Sequence) <= other.size(); ++at) {
    if (known.contains(sequence_at(other, at))) {
      const auto part = other.subspan(std::max(at, taken), at + sizeof(Sequence) - std::max(at, taken));
      common.insert(common.end(), part.begin(), part.end());
      taken = at + sizeof(Sequence);
    }
  }
  return common;
}

}  // namespace knul::quic
