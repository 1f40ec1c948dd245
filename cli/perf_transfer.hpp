// `knul perf --download` and `--upload`: a number of bytes over each connection, split over its streams.
#pragma once

#include <cstdint>
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

  void on_stream_data(krepis::Connection& connection, krepis::StreamId id,
                      std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Connection& connection, krepis::StreamId id) override;
  void on_stream_reset(krepis::Connection& connection, krepis::StreamId id, std::uint64_t code) override;
  void on_stop_sending(krepis::Connection& connection, krepis::StreamId id, std::uint64_t code) override;
  void on_stream_closed(krepis::Connection& connection, krepis::StreamId id) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;

 private:
  struct Stream {
    std::uint64_t to_receive = 0;
    std::uint64_t to_send = 0;  // after the header
  };

  void begin_work(krepis::Connection& connection) override;
  void open_streams(krepis::Connection& connection);
  void send(krepis::Connection& connection, krepis::StreamId id, Stream& stream);
  Stream& stream_of(krepis::Connection& connection, krepis::StreamId id);

  TransferPlan plan_;
  std::vector<std::vector<Stream>> streams_;  // by connection, then by order of opening
  std::uint64_t unfinished_;
};

}  // namespace knul::cli
