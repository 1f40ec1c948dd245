// The Application of a server without a built-in service. It assigns each connection to one of the channels.
#pragma once

#include <krepis/krepis.hpp>

#include <memory>
#include <vector>

#include "channel/hub.hpp"
#include "channel/worker_part.hpp"

namespace knul::channel {

// Thread: one worker's.
class Application final : public krepis::Application {
 public:
  Application(std::shared_ptr<Hub> hub, std::shared_ptr<WorkerLink> link)
      : hub_(std::move(hub)), link_(std::move(link)) {}
  ~Application() override;

  void adopt(const std::shared_ptr<Channel>& channel);

  void on_start(krepis::Worker& worker) override;
  void on_connection(krepis::Connection& connection) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_opened(krepis::Stream& stream) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Stream& stream) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;
  void on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) override;
  void on_datagram_writable(krepis::Connection& connection) override;
  void on_datagram_fate(krepis::Connection& connection, std::uint32_t context,
                        krepis::DatagramFate fate) override;
  void on_drain(std::chrono::milliseconds deadline) override;
  void on_input_done() override;

 private:
  struct Member {
    std::shared_ptr<Channel> channel;
    WorkerPart* worker = nullptr;
  };

  // The channel of a new connection: the next open channel that keeps up, or the next open one if none keeps
  // up. Null: no channel is open.
  WorkerPart* choose_channel();
  void watch_consumers();
  void arm_watch();

  std::shared_ptr<Hub> hub_;
  std::shared_ptr<WorkerLink> link_;
  krepis::Worker* worker_ = nullptr;
  std::vector<Member> members_;
  std::vector<WorkerPart*> candidates_;  // of choose_channel; a member, to reuse its memory
  bool is_watch_armed_ = false;
};

}  // namespace knul::channel
