// The program under attack: loads libknul.so as any program does, starts a server, and answers questions on
// standard input with one line each. With the word "channel" as second argument it serves requests itself,
// through a channel: the first 8 bytes of a stream, big-endian, are the number of bytes to send back. With
// the word "contrary" it also resets, stops, writes to and closes whatever an event is about, by chance.
// Usage: knul_attack_host SETTINGS_JSON [channel | contrary]
//   stats        statistics as JSON        channel      what the channel holds, as JSON
//   trim         free memory is returned   stop MS      drains; the report as JSON
// Its end of input ends it.
#include <krepis/krepis.h>
#include <malloc.h>
#include <sys/prctl.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

void check(std::uint32_t code, const char* what) {
  if (code != KREPIS_SUCCESS) {
    std::fprintf(stderr, "%s: %s: %s\n", what, krepis_error_name(code), krepis_last_error());
    std::exit(1);
  }
}

std::string text_of(const FfiResponse& response) {
  return {reinterpret_cast<const char*>(response.result_buffer.data), response.result_buffer.len};
}

// Answers one stream after the other as far as the channel takes it.
class Consumer {
 public:
  Consumer(std::uint64_t server, bool is_contrary) : is_contrary_(is_contrary) {
    const FfiChannelConfig config{};
    check(krepis_channel_open(server, &config, &region_), "channel");
    thread_ = std::thread([this] { run(); });
  }
  ~Consumer() {
    is_over_ = true;
    thread_.join();
  }
  [[nodiscard]] std::uint32_t channel() const { return region_.channel; }

 private:
  struct Request {
    std::uint32_t connection = 0;
    std::uint8_t header[8] = {};
    std::size_t header_bytes = 0;
    std::uint64_t left = 0;
    bool is_answered = false;
  };

  void run() {
    while (!is_over_) {
      for (std::uint32_t i = 0; i < region_.rings; ++i) {
        consume(region_.base + region_.ring_offset + i * region_.ring_stride);
      }
      krepis_channel_flush(region_.channel);
      if (krepis_channel_wait(region_.channel, 50) < 0) {
        return;
      }
    }
  }

  void consume(std::uint8_t* ring) {
    auto* const head = reinterpret_cast<std::uint32_t*>(ring + 64);
    const std::uint32_t tail = __atomic_load_n(reinterpret_cast<std::uint32_t*>(ring), __ATOMIC_ACQUIRE);
    for (std::uint32_t at = *head; at != tail; ++at) {
      FfiEvent event;
      std::memcpy(&event, ring + 256 + (at & (region_.ring_records - 1)) * sizeof event, sizeof event);
      handle(event);
      __atomic_store_n(head, at + 1, __ATOMIC_RELEASE);
    }
  }

  void handle(const FfiEvent& event) {
    if (event.type == KREPIS_EVENT_STREAM_DATA) {
      take(event);
    } else if (event.type == KREPIS_EVENT_STREAM_WRITABLE) {
      answer(event.stream, requests_[event.stream]);
    } else if (event.type == KREPIS_EVENT_STREAM_CLOSED || event.type == KREPIS_EVENT_STOP_SENDING) {
      requests_.erase(event.stream);
    } else if (event.type == KREPIS_EVENT_CONNECTION_CLOSED) {
      victims_.erase(event.connection);
      std::erase_if(requests_, [&](const auto& item) { return item.second.connection == event.connection; });
    }
    if (is_contrary_) {
      contradict(event);
    }
    if (event.length > 0) {
      krepis_channel_release(region_.channel, &event.offset, 1);
    }
  }

  // The oracle, which comes from 127.0.0.1, is served well.
  bool is_victim(const FfiEvent& event) {
    const auto known = victims_.find(event.connection);
    if (known != victims_.end()) {
      return known->second;
    }
    FfiResponse info{};
    return krepis_connection_info_into(region_.channel, event.connection, &info) == KREPIS_SUCCESS &&
           victims_.emplace(event.connection, text_of(info).find("\"127.0.0.1:") == std::string::npos)
               .first->second;
  }

  void contradict(const FfiEvent& event) {
    const std::uint32_t channel = region_.channel;
    const std::uint32_t choice = random_() % 8;
    if (event.connection == 0 || !is_victim(event)) {
      return;
    }
    if (choice == 0) {
      krepis_connection_close(channel, event.connection, 1, "no", 2);
    } else if (event.stream != 0) {
      static const std::uint8_t bytes[100] = {};
      (choice % 2 == 0 ? krepis_stream_reset : krepis_stream_stop_sending)(channel, event.stream, choice);
      krepis_stream_write(channel, event.stream, bytes, sizeof bytes, choice % 3 == 0 ? KREPIS_WRITE_FIN : 0);
    } else {
      krepis_stream_open(channel, event.connection, choice % 2);
    }
  }

  void take(const FfiEvent& event) {
    Request& request = requests_[event.stream];
    request.connection = event.connection;
    const std::uint8_t* const bytes = region_.base + region_.arena_offset + event.offset;
    for (std::uint32_t i = 0; i < event.length && request.header_bytes < 8; ++i) {
      request.header[request.header_bytes++] = bytes[i];
    }
    if (request.header_bytes == 8 && !request.is_answered) {
      request.is_answered = true;
      for (const std::uint8_t byte : request.header) {
        request.left = request.left << 8 | byte;
      }
      answer(event.stream, request);
    }
  }

  void answer(std::uint32_t stream, Request& request) {
    static const std::vector<std::uint8_t> zeros(1 << 16);
    while (true) {
      const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(request.left, zeros.size()));
      const std::uint32_t fin = length == request.left ? KREPIS_WRITE_FIN : 0;
      const std::int32_t taken =
          krepis_stream_write(region_.channel, stream, zeros.data(), length, fin | KREPIS_WRITE_LATER);
      if (taken < 0) {
        return;
      }
      request.left -= static_cast<std::uint64_t>(taken);
      if (fin != 0 || static_cast<std::uint32_t>(taken) < length) {
        return;
      }
    }
  }

  FfiChannelRegion region_{};
  std::unordered_map<std::uint32_t, Request> requests_;
  std::unordered_map<std::uint32_t, bool> victims_;
  std::minstd_rand random_;
  bool is_contrary_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

std::string channel_info(std::uint32_t channel) {
  FfiResponse info{};
  check(krepis_channel_info_into(channel, &info), "krepis_channel_info_into");
  return text_of(info);
}

}  // namespace

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const FfiResponse started = krepis_quic_start_json(argv[1], std::strlen(argv[1]));
  check(started.error_code, "start");
  std::uint64_t server = 0;
  std::memcpy(&server, started.result_buffer.data, sizeof server);
  const std::string mode = argc > 2 ? argv[2] : "";
  auto* const consumer = mode.empty() ? nullptr : new Consumer(server, mode == "contrary");
  std::cout << "{\"port\":" << krepis_quic_port(server) << "}" << std::endl;
  std::string word;
  while (std::cin >> word) {
    std::uint64_t deadline_ms = 0;
    if (word == "stats") {
      std::cout << text_of(krepis_quic_get_stats(server)) << std::endl;
    } else if (word == "channel") {
      std::cout << channel_info(consumer->channel()) << std::endl;
    } else if (word == "trim") {
      std::cout << "{\"trimmed\":" << malloc_trim(0) << "}" << std::endl;
    } else if (word == "stop" && std::cin >> deadline_ms) {
      const FfiResponse stopped = krepis_quic_stop_report(server, deadline_ms);
      std::cout << "{\"code\":" << stopped.error_code << ",\"report\":" << text_of(stopped) << "}"
                << std::endl;
    }
  }
  std::_Exit(0);
}
