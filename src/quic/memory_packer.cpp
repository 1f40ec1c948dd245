// The packed form is made of words of 8 bytes, in groups of 8 words (the last group may be shorter):
//   group   mask of its words that are not zero, then those words; of a group of zeros: 0, and the number of
//           groups of zeros that begin here
//   word    mask of its bytes that are not zero, then those bytes; of an address less than 2 GiB away from
//           the piece's beginning: 0, and the distance in 4 bytes
// It takes some ten microseconds, and a seventh of the memory of a connection that was never busy. zlib takes
// two thirds of that away with a dictionary, what two connections had in common: they differ in little more
// than keys, IDs and times. After a burst the memory is full of objects that are free but look alike.
#include "quic/memory_packer.hpp"

#include <gnutls/gnutls.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "quic/common_bytes.hpp"

namespace knul::quic {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
constexpr std::size_t kGroupWords = 8;
constexpr std::size_t kGroupBytes = kGroupWords * kWordBytes;
constexpr std::size_t kLongestGroup = 1 + kGroupWords * (1 + kWordBytes);
constexpr std::size_t kLongestRun = 255;
// Below, there is little to save.
constexpr std::size_t kDeflateAboveBytes = 1'024;
// zlib's window. What is farther back in a dictionary would not be found.
constexpr int kWindowBits = 15;
constexpr std::size_t kLargestDictionary = 31 * 1'024;

using Piece = std::span<std::uint8_t>;

bool is_near(std::uint64_t word, std::uint64_t base) {
  const auto distance = static_cast<std::int64_t>(word - base);
  return distance >= INT32_MIN && distance <= INT32_MAX;
}

std::uint8_t* put_word(std::uint64_t word, std::uint64_t base, std::uint8_t* out) {
  if (is_near(word, base)) {
    const auto distance = static_cast<std::int32_t>(static_cast<std::int64_t>(word - base));
    *out++ = 0;
    std::memcpy(out, &distance, sizeof(distance));
    return out + sizeof(distance);
  }
  std::uint8_t* const mask_at = out++;
  unsigned mask = 0;
  for (unsigned i = 0; i < kWordBytes; ++i) {
    const auto byte = static_cast<std::uint8_t>(word >> (8 * i));
    *out = byte;
    out += byte != 0 ? 1 : 0;
    mask |= byte != 0 ? 1U << i : 0U;
  }
  *mask_at = static_cast<std::uint8_t>(mask);
  return out;
}

std::uint8_t* put_group(const std::array<std::uint64_t, kGroupWords>& words, std::uint64_t base,
                        std::uint8_t* out) {
  std::uint8_t* const mask_at = out++;
  unsigned mask = 0;
  for (unsigned i = 0; i < kGroupWords; ++i) {
    if (words[i] != 0) {
      mask |= 1U << i;
      out = put_word(words[i], base, out);
    }
  }
  *mask_at = static_cast<std::uint8_t>(mask);
  return out;
}

std::uint8_t* put_run(std::size_t& zeros, std::uint8_t* out) {
  if (zeros > 0) {
    *out++ = 0;
    *out++ = static_cast<std::uint8_t>(zeros);
    zeros = 0;
  }
  return out;
}

// Room for what `bytes` of memory can become.
std::size_t longest(std::size_t bytes) { return (bytes / kGroupBytes + 2) * kLongestGroup; }

std::uint8_t* put(Piece piece, std::uint8_t* out) {
  const auto base = reinterpret_cast<std::uintptr_t>(piece.data());
  std::size_t zeros = 0;
  for (std::size_t at = 0; at < piece.size(); at += kGroupBytes) {
    std::array<std::uint64_t, kGroupWords> words{};
    std::memcpy(words.data(), piece.data() + at, std::min(kGroupBytes, piece.size() - at));
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) {
      any |= word;
    }
    if (any == 0) {
      if (++zeros == kLongestRun) {
        out = put_run(zeros, out);
      }
    } else {
      out = put_group(words, base, put_run(zeros, out));
    }
  }
  return put_run(zeros, out);
}

std::uint64_t take_word(const std::uint8_t*& in, std::uint64_t base) {
  const unsigned mask = *in++;
  if (mask == 0) {
    std::int32_t distance = 0;
    std::memcpy(&distance, in, sizeof(distance));
    in += sizeof(distance);
    return base + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
  }
  std::uint64_t word = 0;
  for (unsigned i = 0; i < kWordBytes; ++i) {
    const bool is_kept = (mask >> i & 1U) != 0;
    word |= is_kept ? static_cast<std::uint64_t>(*in) << (8 * i) : 0;
    in += is_kept ? 1 : 0;
  }
  return word;
}

const std::uint8_t* take(const std::uint8_t* in, Piece piece) {
  const auto base = reinterpret_cast<std::uintptr_t>(piece.data());
  for (std::size_t at = 0; at < piece.size();) {
    const unsigned mask = *in++;
    if (mask == 0) {
      at += *in++ * kGroupBytes;
      continue;
    }
    for (unsigned i = 0; i < kGroupWords; ++i) {
      if ((mask >> i & 1U) != 0) {
        const std::uint64_t word = take_word(in, base);
        std::memcpy(piece.data() + at + i * kWordBytes, &word, sizeof(word));
      }
    }
    at += kGroupBytes;
  }
  return in;
}

Bytef* to_zlib(const std::uint8_t* bytes) { return const_cast<Bytef*>(bytes); }

}  // namespace

// zlib's states, 270 KB, made once. Without zlib's header and checksum.
struct MemoryPacker::Streams {
  Streams() {
    constexpr int kUsualMemory = 8;
    if (deflateInit2(&down, Z_BEST_SPEED, Z_DEFLATED, -kWindowBits, kUsualMemory, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      throw std::bad_alloc();
    }
    if (inflateInit2(&up, -kWindowBits) != Z_OK) {
      deflateEnd(&down);
      throw std::bad_alloc();
    }
  }
  ~Streams() {
    deflateEnd(&down);
    inflateEnd(&up);
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  // False: memory is short. It is not after a first success.
  [[nodiscard]] bool begin_inflating(std::span<const std::uint8_t> dictionary) {
    inflateReset(&up);
    return dictionary.empty() || inflateSetDictionary(&up, to_zlib(dictionary.data()),
                                                      static_cast<uInt>(dictionary.size())) == Z_OK;
  }

  z_stream down{};
  z_stream up{};
};

MemoryPacker::MemoryPacker() = default;
MemoryPacker::~MemoryPacker() = default;

std::optional<PackedMemory> MemoryPacker::pack(Pieces pieces) noexcept {
  try {
    const auto plain = to_plain(pieces);
    const auto dictionary = dictionary_for(plain.size());
    const std::size_t deflated = plain.size() > kDeflateAboveBytes ? deflate(plain, dictionary) : 0;
    using Form = PackedMemory::Form;
    PackedMemory packed;
    packed.plain_size = static_cast<std::uint32_t>(plain.size());
    if (deflated != 0) {
      packed.form = dictionary.empty() ? Form::kDeflated : Form::kDeflatedByDictionary;
    }
    if (!packed.bytes.assign(deflated != 0 ? std::span<const std::uint8_t>(deflated_).first(deflated)
                                           : plain)) {
      return std::nullopt;
    }
    return packed;
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

// In plain_, which has room for what was packed earlier, too.
std::span<const std::uint8_t> MemoryPacker::to_plain(Pieces pieces) {
  std::size_t room = 0;
  for (const Piece piece : pieces) {
    room += longest(piece.size());
  }
  if (plain_.size() < room) {
    plain_.resize(room);
  }
  std::uint8_t* end = plain_.data();
  for (const Piece piece : pieces) {
    end = put(piece, end);
  }
  return std::span<const std::uint8_t>(plain_).first(static_cast<std::size_t>(end - plain_.data()));
}

// Into deflated_. 0: it does not get smaller.
std::size_t MemoryPacker::deflate(std::span<const std::uint8_t> plain,
                                  std::span<const std::uint8_t> dictionary) {
  if (streams_ == nullptr) {
    streams_ = std::make_unique<Streams>();
  }
  deflated_.resize(std::max(deflated_.size(), plain.size()));
  z_stream& stream = streams_->down;
  deflateReset(&stream);
  deflateSetDictionary(&stream, to_zlib(dictionary.data()), static_cast<uInt>(dictionary.size()));
  stream.next_in = to_zlib(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = deflated_.data();
  stream.avail_out = static_cast<uInt>(plain.size() - 1);
  return ::deflate(&stream, Z_FINISH) == Z_STREAM_END ? stream.total_out : 0;
}

void MemoryPacker::unpack(const PackedMemory& packed, Pieces pieces) noexcept {
  const std::uint8_t* in = plain_of(packed).data();
  for (const Piece piece : pieces) {
    in = take(in, piece);
  }
}

// In plain_.
std::span<const std::uint8_t> MemoryPacker::plain_of(const PackedMemory& packed) noexcept {
  const std::span<std::uint8_t> plain = std::span(plain_).first(packed.plain_size);
  if (packed.form == PackedMemory::Form::kPlain) {
    packed.bytes.copy_to(plain);
    return plain;
  }
  packed.bytes.copy_to(std::span(deflated_).first(packed.bytes.size()));
  const bool has_dictionary = packed.form == PackedMemory::Form::kDeflatedByDictionary;
  const auto dictionary =
      has_dictionary ? dictionary_for(packed.plain_size) : std::span<const std::uint8_t>();
  const bool has_begun = streams_->begin_inflating(dictionary);
  z_stream& stream = streams_->up;
  stream.next_in = deflated_.data();
  stream.avail_in = static_cast<uInt>(packed.bytes.size());
  stream.next_out = plain.data();
  stream.avail_out = packed.plain_size;
  if (!has_begun || ::inflate(&stream, Z_FINISH) != Z_STREAM_END) {
    std::abort();  // our own memory was overwritten
  }
  return plain;
}

std::span<const std::uint8_t> MemoryPacker::dictionary_for(std::size_t plain_size) const {
  const auto& dictionary = dictionaries_[kind_of(plain_size)];
  return dictionary.has_value() ? std::span<const std::uint8_t>(*dictionary)
                                : std::span<const std::uint8_t>();
}

void MemoryPacker::learn(const PackedMemory& one, const PackedMemory& other) noexcept {
  if (kind_of(one.plain_size) != kind_of(other.plain_size) || knows(one)) {
    return;
  }
  try {
    const auto beginning = [this](const PackedMemory& packed) {
      const auto plain = plain_of(packed);
      return plain.first(std::min(plain.size(), kLargestDictionary));
    };
    const auto in_place = beginning(one);
    std::vector<std::uint8_t> copy(in_place.begin(), in_place.end());
    Dictionary dictionary = common_bytes(copy, beginning(other));
    gnutls_memset(copy.data(), 0, copy.size());
    // Makes zlib's window, so that unpacking needs no memory.
    if (streams_ == nullptr || !streams_->begin_inflating(dictionary)) {
      return;
    }
    dictionaries_[kind_of(one.plain_size)] = std::move(dictionary);
  } catch (const std::bad_alloc&) {
    // Later ones may be learnt from.
  }
}

}  // namespace knul::quic
