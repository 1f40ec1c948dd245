#include "channel/mailbox.hpp"

#include <algorithm>
#include <utility>

namespace knul::channel {
namespace {

// Releases the memory of a burst and keeps the memory of normal use.
template <class T>
void empty(std::vector<T>& list) {
  constexpr std::size_t kKeptBytes = 4 << 20;
  list.clear();
  if (list.capacity() * sizeof(T) > kKeptBytes) {
    list.shrink_to_fit();
  }
}

template <class T>
void make_room_in(std::vector<T>& list, std::size_t more) {
  if (list.capacity() - list.size() < more) {
    list.reserve(std::max(2 * list.capacity(), list.size() + more));
  }
}

}  // namespace

void Mail::clear() {
  empty(commands);
  empty(bytes);
  empty(buffers);
  empty(releases);
}

std::size_t Mail::memory_bytes() const {
  return commands.capacity() * sizeof(Command) + bytes.capacity() +
         buffers.capacity() * sizeof(krepis::SharedBytes) + releases.capacity() * sizeof(std::uint32_t);
}

void Mailbox::make_room(std::size_t copied_bytes) {
  make_room_in(mail.commands, 2);
  make_room_in(mail.buffers, 1);
  make_room_in(mail.bytes, copied_bytes);
}

void Mailbox::write(std::uint32_t stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  const std::size_t offset = mail.bytes.size();
  mail.bytes.insert(mail.bytes.end(), bytes.begin(), bytes.end());
  if (!mail.commands.empty()) {
    Command& last = mail.commands.back();
    // Consecutive writes to one stream become one command.
    if (last.kind == Command::Kind::kWrite && last.handle == stream && last.offset + last.length == offset) {
      last.length += static_cast<std::uint32_t>(bytes.size());
      last.is_set = last.is_set || fin == krepis::Fin::kYes;
      return;
    }
  }
  Command command;
  command.kind = Command::Kind::kWrite;
  command.handle = stream;
  command.offset = offset;
  command.length = static_cast<std::uint32_t>(bytes.size());
  command.is_set = fin == krepis::Fin::kYes;
  mail.commands.push_back(command);
}

void Mailbox::write_shared(std::uint32_t stream, krepis::SharedBytes bytes, krepis::Fin fin) {
  Command command;
  command.kind = Command::Kind::kWriteShared;
  command.handle = stream;
  command.offset = mail.buffers.size();
  command.is_set = fin == krepis::Fin::kYes;
  mail.buffers.push_back(std::move(bytes));
  mail.commands.push_back(command);
}

void Mailbox::add_with_bytes(Command command, std::span<const std::uint8_t> bytes) {
  command.offset = mail.bytes.size();
  command.length = static_cast<std::uint32_t>(bytes.size());
  mail.bytes.insert(mail.bytes.end(), bytes.begin(), bytes.end());
  mail.commands.push_back(command);
}

}  // namespace knul::channel
