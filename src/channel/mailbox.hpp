// Mail from the program's threads to one worker of one channel: commands, the bytes of small writes, the
// buffers of large writes, and released offsets. The worker swaps the mail with an empty one. So each side
// waits at most until the other has copied or swapped, and in steady state neither side allocates.
//
// The number of commands is bounded, even if the worker does not run. Each connection has a limit of writes
// (channel_streams.cpp) and of datagrams (channel_connections.cpp), and each channel a limit of log messages.
// Of every other kind, a stream or connection has at most one waiting command.
#pragma once

#include <krepis/krepis.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace knul::channel {

struct Command {
  enum class Kind : std::uint8_t {
    kWrite,         // bytes [offset, offset + length) of Mail::bytes
    kWriteShared,   // Mail::buffers[offset]
    kWantWritable,  // a write was accepted only in part
    kOpenStream,    // handle: the new stream's
    kReset,
    kStopSending,
    kPriority,  // Entry::requested_priority
    kDatagram,
    kWantDatagramWritable,
    kCloseConnection,
    kLog,  // option: KrepisLogLevel
  };
  Kind kind = Kind::kWrite;
  bool is_set = false;      // by kind: FIN, unidirectional, or the fate is reported
  std::uint8_t option = 0;  // by kind: the datagram policy, or the log level
  std::uint32_t handle = 0;
  std::uint32_t length = 0;
  std::uint32_t expires_ms = 0;
  std::uint32_t context = 0;
  std::size_t offset = 0;
  std::uint64_t code = 0;

  // Of a write.
  [[nodiscard]] krepis::Fin fin() const { return is_set ? krepis::Fin::kYes : krepis::Fin::kNo; }
};

struct Mail {
  void clear();
  [[nodiscard]] std::size_t memory_bytes() const;

  std::vector<Command> commands;
  std::vector<std::uint8_t> bytes;
  std::vector<krepis::SharedBytes> buffers;
  std::vector<std::uint32_t> releases;
};

struct Mailbox {
  // Reserves memory for what one call adds: two commands, one buffer, and `copied_bytes` copied bytes. Throws
  // std::bad_alloc and changes nothing then. While the mutex stays locked, the functions below do not throw
  // for additions within these limits.
  void make_room(std::size_t copied_bytes);
  // Thread: any, with the mutex held.
  void write(std::uint32_t stream, std::span<const std::uint8_t> bytes, krepis::Fin fin);
  void write_shared(std::uint32_t stream, krepis::SharedBytes bytes, krepis::Fin fin);
  void add(const Command& command) { mail.commands.push_back(command); }
  void add_with_bytes(Command command, std::span<const std::uint8_t> bytes);

  std::mutex mutex;
  Mail mail;
  std::uint32_t log_messages = 0;  // in the mail
  std::uint64_t turn = 0;          // the number of swaps by the worker
  bool is_open = true;             // false: the worker has ended and accepts no mail
  // The program has woken the worker, and the worker has not yet swapped the mail.
  std::atomic<bool> is_notified{false};
  // The memory that the worker keeps for the next swap.
  std::atomic<std::size_t> taken_memory_bytes{0};
};

}  // namespace knul::channel
