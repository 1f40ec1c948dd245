#include "cli/perf_handshakes.hpp"

#include <array>
#include <utility>

namespace knul::cli {

void HandshakeApplication::start(Connect connect) {
  connect_ = std::move(connect);
  if (plan_.resumes) {
    this->connect(kFirst);
  } else {
    begin_all();
  }
}

void HandshakeApplication::begin_all() {
  run().begin();
  for (std::uint64_t begun = 0; begun < plan_.parallel; ++begun) {
    begin_one();
  }
}

void HandshakeApplication::begin_one() {
  if (begun_ >= plan_.handshakes || run().is_over()) {
    return;
  }
  const std::uint64_t context = begun_++;
  pending_.emplace(context, now());
  connect(context);
}

void HandshakeApplication::connect(std::uint64_t context) {
  if (const auto started = connect_(context); !started) {
    run().fail(destination().shown + ": " + started.error().message);
  }
}

void HandshakeApplication::on_connection(krepis::Connection& connection) {
  run().notice_server();
  const auto begun = pending_.find(connection.context());
  if (begun != pending_.end() && !run().is_over()) {
    count(connection, begun->second);
    pending_.erase(begun);
  }
  ask_for_nothing(connection);
}

void HandshakeApplication::count(const krepis::Connection& connection, std::chrono::nanoseconds begun) {
  if (plan_.resumes && !connection.is_resumed()) {
    run().fail(destination().shown + ": the server did not resume the session; check that it issues tickets");
    return;
  }
  resumed_ += connection.is_resumed() ? 1 : 0;
  run().latencies().record(now() - begun);
  run().count(1);
  ++completed_;
  failed_in_a_row_ = 0;
}

// A close sent at once could reach the server before the client's Finished. The server would then count the
// handshake as failed (RFC 9000 §10.2.3). An answer shows that the server has completed the handshake.
void HandshakeApplication::ask_for_nothing(krepis::Connection& connection) {
  const auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
  if (!opened) {
    connection.close(0, {});
    return;
  }
  constexpr std::array<std::uint8_t, kPerfHeaderBytes> kNothing{};
  (*opened)->write(kNothing, krepis::Fin::kYes);
}

void HandshakeApplication::on_stream_closed(krepis::Stream& stream) {
  run().notice_server();
  stream.connection().close(0, {});
}

void HandshakeApplication::on_connection_closed(krepis::Connection& connection,
                                                const krepis::CloseReason& reason) {
  if (run().is_over()) {
    return;
  }
  if (connection.context() == kFirst) {
    if (reason.source == krepis::CloseReason::Source::kLocalApplication) {
      begin_all();
    } else {
      run().fail(describe_close(reason, destination()));
    }
    return;
  }
  if (pending_.erase(connection.context()) > 0) {  // on_connection never came
    ++failed_;
    ++failed_in_a_row_;
    // No handshake has completed yet, or more than `parallel` in a row have failed: the server is gone.
    if (completed_ == 0 || failed_in_a_row_ > plan_.parallel) {
      run().fail(describe_close(reason, destination()));
      return;
    }
  }
  if (completed_ + failed_ >= plan_.handshakes) {
    run().finish();
    return;
  }
  begin_one();
}

}  // namespace knul::cli
