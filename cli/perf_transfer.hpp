// `knul perf --download` and `--upload`: a number of bytes over each connection, split over its streams.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "cli/perf_run.hpp"

namespace knul::cli {

enum class TransferDirection : std::uint8_t { kDownload, kUpload };

struct TransferPlan {
  TransferDirection direction = TransferDirection::kDownload;
  std::uint64_t connections = 1;
  std::uint64_t streams = 1;  // per connection
  std::uint64_t bytes = 0;    // per connection
};

// Units of the run: bytes of the transfer. Each stream ends when the server has acknowledged everything.
class TransferApplication final : public ConnectedPerfApplication {
 public:
  TransferApplication(std::shared_ptr<PerfRun> run, Destination destination, const TransferPlan& plan);

  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Stream& stream) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;

 private:
  // The user word of a stream leads to it.
  struct Part {
    std::uint64_t to_receive = 0;
    std::uint64_t to_send = 0;  // after the header
  };

  void begin_work(krepis::Connection& connection) override;
  void open_streams(krepis::Connection& connection);
  void send(krepis::Stream& stream, Part& part);

  TransferPlan plan_;
  std::vector<std::deque<Part>> parts_;  // by connection
  std::uint64_t unfinished_;
};

}  // namespace knul::cli
