#include "cli/perf_transfer.hpp"

#include <algorithm>
#include <array>

namespace knul::cli {
namespace {

// One train of packets, small enough to stay in the cache.
constexpr std::size_t kChunkBytes = 64 << 10;
alignas(64) constexpr std::array<std::uint8_t, kChunkBytes> kUpload{};

// Lifetime: static, so the owner counts nothing.
krepis::SharedBytes upload_bytes(std::size_t size) {
  return {std::shared_ptr<const void>(std::shared_ptr<const void>(), kUpload.data()),
          std::span<const std::uint8_t>(kUpload.data(), size)};
}

}  // namespace

TransferApplication::TransferApplication(std::shared_ptr<PerfRun> run, Destination destination,
                                         const TransferPlan& plan)
    : ConnectedPerfApplication(std::move(run), std::move(destination), plan.connections),
      plan_(plan),
      streams_(plan.connections),
      unfinished_(plan.connections * plan.streams) {}

void TransferApplication::begin_work(krepis::Connection& connection) { open_streams(connection); }

void TransferApplication::on_streams_available(krepis::Connection& connection,
                                               krepis::StreamDirection direction) {
  if (direction == krepis::StreamDirection::kBidirectional) {
    open_streams(connection);
  }
}

void TransferApplication::open_streams(krepis::Connection& connection) {
  std::vector<Stream>& streams = streams_[connection.context()];
  while (streams.size() < plan_.streams) {
    const auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened) {
      return;  // on_streams_available follows, or the connection is going
    }
    // The first stream takes what does not divide.
    const std::uint64_t share =
        plan_.bytes / plan_.streams + (streams.empty() ? plan_.bytes % plan_.streams : 0);
    const bool is_download = plan_.direction == TransferDirection::kDownload;
    Stream& stream = streams.emplace_back(Stream{is_download ? share : 0, is_download ? 0 : share});
    std::array<std::uint8_t, kPerfHeaderBytes> header{};
    write_perf_header(stream.to_receive, header.data());
    const krepis::Fin fin{stream.to_send == 0};
    if (connection.write(*opened, header, fin) < header.size()) {
      run().fail("a stream did not accept the request");
      return;
    }
    if (stream.to_send > 0) {
      send(connection, *opened, stream);
    }
  }
}

void TransferApplication::send(krepis::Connection& connection, krepis::StreamId id, Stream& stream) {
  while (stream.to_send > 0) {
    const std::size_t chunk = std::min<std::uint64_t>(stream.to_send, kChunkBytes);
    const krepis::Fin fin{chunk == stream.to_send};
    const std::size_t accepted = connection.write(id, upload_bytes(chunk), fin);
    stream.to_send -= accepted;
    run().count(accepted);
    if (accepted < chunk) {
      return;  // on_stream_writable follows
    }
  }
}

// Invariant: a client's bidirectional streams are 0, 4, 8... in the order of opening (RFC 9000 §2.1).
TransferApplication::Stream& TransferApplication::stream_of(krepis::Connection& connection,
                                                            krepis::StreamId id) {
  return streams_.at(connection.context()).at(id / 4);
}

void TransferApplication::on_stream_data(krepis::Connection& connection, krepis::StreamId id,
                                         std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  run().notice_server();
  if (!bytes.empty()) {
    connection.consume(id, bytes.size());
  }
  Stream& stream = stream_of(connection, id);
  const bool is_too_long = bytes.size() > stream.to_receive;
  stream.to_receive -= is_too_long ? stream.to_receive : bytes.size();
  if (plan_.direction == TransferDirection::kDownload) {
    run().count(bytes.size());
  }
  if (is_too_long || (fin == krepis::Fin::kYes && stream.to_receive > 0)) {
    run().fail(destination().shown + ": the server did not send the requested number of bytes");
  }
}

void TransferApplication::on_stream_writable(krepis::Connection& connection, krepis::StreamId id) {
  run().notice_server();
  send(connection, id, stream_of(connection, id));
}

void TransferApplication::on_stream_reset(krepis::Connection& /*connection*/, krepis::StreamId /*id*/,
                                          std::uint64_t code) {
  run().fail(destination().shown + ": the server reset a stream with code " + std::to_string(code));
}

void TransferApplication::on_stop_sending(krepis::Connection& /*connection*/, krepis::StreamId /*id*/,
                                          std::uint64_t code) {
  run().fail(destination().shown + ": the server refused the upload with code " + std::to_string(code));
}

void TransferApplication::on_stream_closed(krepis::Connection& /*connection*/, krepis::StreamId /*id*/) {
  if (--unfinished_ == 0) {
    run().finish();
  }
}

}  // namespace knul::cli
