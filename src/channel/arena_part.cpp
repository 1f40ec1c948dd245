#include "channel/arena_part.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace knul::channel {
namespace {

constexpr std::uint32_t round_up_to_granule(std::uint32_t bytes) {
  constexpr auto kMask = static_cast<std::uint32_t>(kGranuleBytes) - 1;
  return (bytes + kMask) & ~kMask;
}

constexpr auto kBlock = static_cast<std::uint32_t>(kBlockBytes);

}  // namespace

ArenaPart::ArenaPart(std::uint8_t* arena, RangeOwner* owners, std::uint32_t first_block, std::uint32_t blocks)
    : arena_(arena),
      owners_(owners),
      first_block_(first_block),
      references_(blocks, 0),
      pinned_(blocks, nullptr) {
  free_.reserve(blocks);
  for (std::uint32_t i = blocks; i > 0; --i) {
    free_.push_back(first_block + i - 1);
  }
}

bool ArenaPart::open(Fill& fill, std::uint32_t* pinned) {
  if (free_.empty()) {
    return false;
  }
  close(fill);
  fill = {free_.back(), 0};
  free_.pop_back();
  references_[fill.block - first_block_] = 1;
  pinned_[fill.block - first_block_] = pinned;
  if (pinned != nullptr) {
    ++*pinned;
  }
  return true;
}

void ArenaPart::close(Fill& fill) {
  if (fill.is_open()) {
    unreference(fill.block);
    fill = {};
  }
}

std::size_t ArenaPart::room(Fill& fill) {
  if (!fill.is_open()) {
    return 0;
  }
  if (references_[fill.block - first_block_] == 1) {
    fill.used = 0;  // all of its ranges are released
  }
  return kBlock - round_up_to_granule(fill.used);
}

ArenaPart::Placed ArenaPart::add_range(Fill& fill, std::uint32_t owner, std::span<const std::uint8_t> bytes) {
  const std::uint32_t start = round_up_to_granule(fill.used);
  const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kBlock - start));
  const std::uint32_t offset = fill.block * kBlock + start;
  std::memcpy(arena_ + offset, bytes.data(), length);
  fill.used = start + length;
  ++references_[fill.block - first_block_];
  owners_[offset / kGranuleBytes] = {owner, length};
  return {offset, length};
}

std::size_t ArenaPart::extend_range(Fill& fill, Placed range, std::span<const std::uint8_t> bytes) {
  if (!fill.is_open() || range.length == 0 ||
      range.offset + range.length != fill.block * kBlock + fill.used || range.offset / kBlock != fill.block) {
    return 0;
  }
  const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kBlock - fill.used));
  std::memcpy(arena_ + range.offset + range.length, bytes.data(), length);
  fill.used += length;
  owners_[range.offset / kGranuleBytes].length += length;
  return length;
}

ArenaPart::Released ArenaPart::release(std::uint32_t offset) {
  Released released{std::exchange(owners_[offset / kGranuleBytes], {})};
  if (released.length > 0) {
    released.is_pinned = pinned_[offset / kBlock - first_block_] != nullptr;
    unreference(offset / kBlock);
  }
  return released;
}

void ArenaPart::unreference(std::uint32_t block) {
  if (--references_[block - first_block_] == 0) {
    if (std::uint32_t* const pinned = std::exchange(pinned_[block - first_block_], nullptr)) {
      --*pinned;
    }
    free_.push_back(block);
  }
}

}  // namespace knul::channel
