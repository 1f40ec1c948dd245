// The holdings of each source address in the resources that all peers of an endpoint share. A source is an
// IPv4 address or an IPv6 /64, which is what a provider usually gives one customer.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/make_room.hpp"
#include "base/siphash.hpp"
#include "base/socket_address.hpp"
#include "quic/connection/shared_places.hpp"
#include "quic/stream/send_budget.hpp"

namespace knul::quic {

using SourcePrefix = std::array<std::uint8_t, 9>;  // family, then 4 or 8 bytes

[[nodiscard]] inline SourcePrefix source_prefix(const base::SocketAddress& address) {
  SourcePrefix result{static_cast<std::uint8_t>(address.is_v6() ? 6 : 4)};
  const std::span<const std::uint8_t> bytes = address.ip_bytes().first(address.is_v6() ? 8 : 4);
  std::copy(bytes.begin(), bytes.end(), result.begin() + 1);
  return result;
}

struct SourceHoldings {
  SharedPlaces::Holder half_open;
  SharedPlaces::Holder connections;
  SharedPlaces::Holder closing;
  SendBudget::Source send;
  std::uint64_t receive_granted_bytes = 0;

 private:
  friend class SourceTable;
  friend class SourceRef;
  SourcePrefix prefix_{};
  std::uint32_t references_ = 0;
};

class SourceTable;

// Keeps a source in its table. Lifetime: the table outlives it.
class SourceRef {
 public:
  SourceRef() = default;
  SourceRef(SourceRef&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), source_(std::exchange(other.source_, nullptr)) {}
  SourceRef& operator=(SourceRef&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(source_, other.source_);
    return *this;
  }
  inline ~SourceRef();

  [[nodiscard]] SourceHoldings* get() const { return source_; }
  SourceHoldings* operator->() const { return source_; }
  SourceHoldings& operator*() const { return *source_; }
  // Another reference to the same source.
  [[nodiscard]] inline SourceRef share() const;

 private:
  friend class SourceTable;
  SourceRef(SourceTable& table, SourceHoldings& source) : table_(&table), source_(&source) {
    ++source.references_;
  }

  SourceTable* table_ = nullptr;
  SourceHoldings* source_ = nullptr;
};

// Thread: its endpoint's.
class SourceTable {
 public:
  explicit SourceTable(base::SipKey key) : sources_(0, Hash{key}) {}

  // Null: that source holds nothing.
  [[nodiscard]] SourceHoldings* find(const base::SocketAddress& address) const {
    const auto found = sources_.find(source_prefix(address));
    return found == sources_.end() ? nullptr : found->second.get();
  }
  // Throws std::bad_alloc and then has changed nothing.
  [[nodiscard]] SourceRef acquire(const base::SocketAddress& address) {
    const SourcePrefix prefix = source_prefix(address);
    auto found = sources_.find(prefix);
    if (found == sources_.end()) {
      auto made = std::make_unique<SourceHoldings>();
      made->prefix_ = prefix;
      base::make_room(sources_);
      found = sources_.emplace(prefix, std::move(made)).first;
    }
    return {*this, *found->second};
  }

 private:
  friend class SourceRef;
  struct Hash {
    base::SipKey key;
    std::size_t operator()(const SourcePrefix& prefix) const { return base::siphash13(key, prefix); }
  };

  void release(SourceHoldings& source) {
    if (--source.references_ == 0) {
      sources_.erase(source.prefix_);
    }
  }

  absl::flat_hash_map<SourcePrefix, std::unique_ptr<SourceHoldings>, Hash> sources_;
};

SourceRef::~SourceRef() {
  if (source_ != nullptr) {
    table_->release(*source_);
  }
}

SourceRef SourceRef::share() const { return source_ == nullptr ? SourceRef() : SourceRef(*table_, *source_); }

}  // namespace knul::quic
