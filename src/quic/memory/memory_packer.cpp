// The packed form of memory: words of 8 bytes in groups of 8 words (the last group may be shorter).
//   group   the mask of its nonzero words, then those words; for a group of zeros: 0, and the number of
//           groups of zeros from here on
//   word    the number of its bytes up to the last nonzero byte, then those bytes; for an address less than
//           2 GiB from the beginning of the piece: 0, and the distance in 4 bytes
// Packing takes a few microseconds, and leaves a seventh of the memory of a connection that was never busy.
// Zstandard then saves two thirds of that with a dictionary, the common bytes of two connections: connections
// differ in little more than keys, IDs and times. After a burst the memory is full of similar free objects.
#include "quic/memory/memory_packer.hpp"

#include <gnutls/gnutls.h>

// Linked as an archive, because this uses functions that the shared library does not promise: dictionaries of
// untrained bytes, and caller-provided memory.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "quic/memory/common_bytes.hpp"

namespace knul::quic {
namespace {

static_assert(std::endian::native == std::endian::little);  // the high bytes of a word are its last
constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
constexpr std::size_t kGroupWords = 8;
constexpr std::size_t kGroupBytes = kGroupWords * kWordBytes;
constexpr std::size_t kLongestGroup = 1 + kGroupWords * (1 + kWordBytes);
constexpr std::size_t kLongestRun = 255;
// Smaller images save little.
constexpr std::size_t kCompressAboveBytes = 1'024;
// For small images, and for large ones with a dictionary. Chosen by measurement: docs/decisions/0019.
constexpr std::array kCompressionLevels{-1, 1};
constexpr std::size_t kLargestDictionary = 31 * 1'024;
constexpr std::size_t kLeastInCommon = 4;  // a fourth; with less in common a dictionary does not help

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
  const auto bytes = (static_cast<unsigned>(std::bit_width(word)) + 7) / 8;
  *out++ = static_cast<std::uint8_t>(bytes);
  std::memcpy(out, &word, sizeof(word));  // writing all 8 bytes is faster; later output overwrites the rest
  return out + bytes;
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

// The largest packed size of `bytes`, with room to write and read the last word as a whole.
std::size_t longest(std::size_t bytes) { return (bytes / kGroupBytes + 2) * kLongestGroup + kWordBytes; }

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
  const unsigned bytes = *in++;
  if (bytes == 0) {
    std::int32_t distance = 0;
    std::memcpy(&distance, in, sizeof(distance));
    in += sizeof(distance);
    return base + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
  }
  std::uint64_t word = 0;
  std::memcpy(&word, in, sizeof(word));
  in += bytes;
  return word & ~std::uint64_t{0} >> (8 * (kWordBytes - bytes));
}

const std::uint8_t* take(const std::uint8_t* in, Piece piece) {
  const auto base = reinterpret_cast<std::uintptr_t>(piece.data());
  for (std::size_t at = 0; at < piece.size();) {
    const unsigned mask = *in++;
    if (mask == 0) {
      at += *in++ * kGroupBytes;
      continue;
    }
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
      const std::uint64_t word = take_word(in, base);
      const auto index = static_cast<unsigned>(std::countr_zero(rest));
      std::memcpy(piece.data() + at + index * kWordBytes, &word, sizeof(word));
    }
    at += kGroupBytes;
  }
  return in;
}

// Zstandard's memory. It is wiped, because Zstandard copies its input into it.
constexpr std::size_t kSizeBytes = alignof(std::max_align_t);  // before the memory that is handed out

void* allocate_wiped(void* /*unused*/, std::size_t bytes) {
  auto* const block = static_cast<std::uint8_t*>(::operator new(bytes + kSizeBytes, std::nothrow));
  if (block == nullptr) {
    return nullptr;
  }
  std::memcpy(block, &bytes, sizeof(bytes));
  return block + kSizeBytes;
}

void free_wiped(void* /*unused*/, void* memory) {
  if (memory == nullptr) {
    return;
  }
  auto* const block = static_cast<std::uint8_t*>(memory) - kSizeBytes;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof(bytes));
  gnutls_memset(memory, 0, bytes);
  ::operator delete(block);
}

constexpr ZSTD_customMem kWipedMemory{&allocate_wiped, &free_wiped, nullptr};

struct ZstdDelete {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_DDict* dictionary) const { ZSTD_freeDDict(dictionary); }
};

template <class Object>
using ZstdPointer = std::unique_ptr<Object, ZstdDelete>;

template <class Object>
ZstdPointer<Object> checked(Object* made) {
  return made != nullptr ? ZstdPointer<Object>(made) : throw std::bad_alloc();
}

}  // namespace

// In our own memory, because ZSTD_createCDict (1.5.4) does not check for failed allocations.
class MemoryPacker::Dictionary {
 public:
  Dictionary(std::span<const std::uint8_t> bytes, int level)
      : to_unpack_(checked(ZSTD_createDDict_advanced(bytes.data(), bytes.size(), ZSTD_dlm_byCopy,
                                                     ZSTD_dct_rawContent, kWipedMemory))) {
    const ZSTD_compressionParameters parameters = ZSTD_getCParams(level, 0, bytes.size());
    const std::size_t size = ZSTD_estimateCDictSize_advanced(bytes.size(), parameters, ZSTD_dlm_byCopy);
    memory_.resize(size / sizeof(std::uint64_t) + 1);
    to_pack_ = ZSTD_initStaticCDict(memory_.data(), memory_.size() * sizeof(std::uint64_t), bytes.data(),
                                    bytes.size(), ZSTD_dlm_byCopy, ZSTD_dct_rawContent, parameters);
    if (to_pack_ == nullptr) {
      throw std::bad_alloc();
    }
  }

  [[nodiscard]] const ZSTD_CDict* to_pack() const { return to_pack_; }
  [[nodiscard]] const ZSTD_DDict* to_unpack() const { return to_unpack_.get(); }

 private:
  ZstdPointer<ZSTD_DDict> to_unpack_;
  std::vector<std::uint64_t> memory_;
  const ZSTD_CDict* to_pack_ = nullptr;  // inside memory_
};

struct MemoryPacker::Compressor {
  Compressor()
      : down(checked(ZSTD_createCCtx_advanced(kWipedMemory))),
        up(checked(ZSTD_createDCtx_advanced(kWipedMemory))) {
    ZSTD_CCtx_setParameter(down.get(), ZSTD_c_compressionLevel, kCompressionLevels[0]);
    ZSTD_CCtx_setParameter(down.get(), ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(down.get(), ZSTD_c_dictIDFlag, 0);
  }

  ZstdPointer<ZSTD_CCtx> down;
  ZstdPointer<ZSTD_DCtx> up;  // allocates nothing when it unpacks
};

MemoryPacker::MemoryPacker() = default;
MemoryPacker::~MemoryPacker() = default;

std::optional<PackedMemory> MemoryPacker::pack(Pieces pieces) noexcept {
  try {
    const auto plain = to_plain(pieces);
    const Dictionary* const dictionary = dictionaries_[kind_of(plain.size())].get();
    const std::size_t compressed = plain.size() > kCompressAboveBytes ? compress(plain, dictionary) : 0;
    using Form = PackedMemory::Form;
    PackedMemory packed;
    packed.plain_size = static_cast<std::uint32_t>(plain.size());
    if (compressed != 0) {
      packed.form = dictionary == nullptr ? Form::kCompressed : Form::kCompressedByDictionary;
    }
    if (!packed.bytes.assign(compressed != 0 ? std::span<const std::uint8_t>(compressed_).first(compressed)
                                             : plain)) {
      return std::nullopt;
    }
    return packed;
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

// Writes to plain_, which also has room for everything packed earlier.
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

// Writes to compressed_. 0: the result is not smaller, or memory is short.
std::size_t MemoryPacker::compress(std::span<const std::uint8_t> plain, const Dictionary* dictionary) {
  if (compressor_ == nullptr) {
    compressor_ = std::make_unique<Compressor>();
  }
  // With less room Zstandard fails even if the result would be small.
  compressed_.resize(std::max(compressed_.size(), ZSTD_compressBound(plain.size())));
  ZSTD_CCtx* const down = compressor_->down.get();
  if (ZSTD_isError(ZSTD_CCtx_refCDict(down, dictionary == nullptr ? nullptr : dictionary->to_pack())) != 0) {
    return 0;
  }
  const std::size_t size =
      ZSTD_compress2(down, compressed_.data(), compressed_.size(), plain.data(), plain.size());
  return ZSTD_isError(size) != 0 || size >= plain.size() ? 0 : size;
}

void MemoryPacker::unpack(const PackedMemory& packed, Pieces pieces) noexcept {
  const std::uint8_t* in = plain_of(packed).data();
  for (const Piece piece : pieces) {
    in = take(in, piece);
  }
}

// Writes to plain_.
std::span<const std::uint8_t> MemoryPacker::plain_of(const PackedMemory& packed) noexcept {
  const std::span<std::uint8_t> plain = std::span(plain_).first(packed.plain_size);
  if (packed.form == PackedMemory::Form::kPlain) {
    packed.bytes.copy_to(plain);
    return plain;
  }
  packed.bytes.copy_to(std::span(compressed_).first(packed.bytes.size()));
  const bool has_dictionary = packed.form == PackedMemory::Form::kCompressedByDictionary;
  const Dictionary* const dictionary =
      has_dictionary ? dictionaries_[kind_of(packed.plain_size)].get() : nullptr;
  ZSTD_DCtx* const up = compressor_->up.get();
  ZSTD_DCtx_refDDict(up, dictionary == nullptr ? nullptr : dictionary->to_unpack());
  const std::size_t size =
      ZSTD_decompressDCtx(up, plain.data(), plain.size(), compressed_.data(), packed.bytes.size());
  if (size != plain.size()) {
    std::abort();  // our own memory was overwritten
  }
  return plain;
}

void MemoryPacker::train(const PackedMemory& one, const PackedMemory& other) noexcept {
  const std::size_t kind = kind_of(one.plain_size);
  // Training takes milliseconds. After failures the attempts become rarer.
  if (kind != kind_of(other.plain_size) || has_dictionary_for(one) ||
      !std::has_single_bit(++training_attempts_[kind])) {
    return;
  }
  try {
    const auto beginning = [this](const PackedMemory& packed) {
      const auto plain = plain_of(packed);
      return plain.first(std::min(plain.size(), kLargestDictionary));
    };
    const auto in_place = beginning(one);
    const WipedBytes copy(in_place.begin(), in_place.end());
    const std::vector<std::uint8_t> common = common_bytes(copy, beginning(other));
    if (common.size() >= copy.size() / kLeastInCommon) {
      dictionaries_[kind] = std::make_unique<Dictionary>(common, kCompressionLevels[kind]);
    }
  } catch (const std::bad_alloc&) {
    // A later pair may succeed.
  }
}

}  // namespace knul::quic
