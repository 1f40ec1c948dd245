// `knul get`: asks for files over one connection and stores them.
#pragma once

#include <krepis/krepis.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "cli/client_flags.hpp"
#include "cli/file_sink.hpp"
#include "cli/outcome.hpp"

namespace knul::cli {

struct FileResult {
  std::string path;
  std::uint64_t bytes = 0;
  std::string error = {};  // empty: complete
};

// What the client's thread and the waiting thread share.
class DownloadResults {
 public:
  // Thread: the client's.
  void add(FileResult result);
  void finish();
  // Called when standard output has no reader any more: the download ends without a message.
  void abandon();
  // Thread: any other. The results that are new, in order of completion; empty when there will be no more.
  std::vector<FileResult> wait();
  [[nodiscard]] bool is_abandoned();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FileResult> fresh_;
  bool is_finished_ = false;
  bool is_abandoned_ = false;
};

struct DownloadPlan {
  std::vector<std::string> paths;
  std::string folder;  // empty: standard output, one file after the other
  std::uint64_t parallel = 1;
};

class HqDownload final : public krepis::Application {
 public:
  HqDownload(DownloadPlan plan, Destination destination, std::shared_ptr<DownloadResults> results);

  void on_connection(krepis::Connection& connection) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  // The protocol has no streams that the server opens.
  void on_stream_opened(krepis::Stream& stream) override { stream.refuse(0); }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;

 private:
  // The user word of its stream leads to it.
  struct File {
    FileResult result;
    FileSink sink;
  };

  void ask(krepis::Connection& connection);
  void end_file(krepis::Stream& stream, std::string error);

  DownloadPlan plan_;
  Destination destination_;
  std::shared_ptr<DownloadResults> results_;
  std::deque<std::string> waiting_;  // paths not asked for yet
  std::list<File> files_;
};

// What the reset codes of the service hq say; they are 0x48510000 and an HTTP status.
[[nodiscard]] std::string describe_hq_code(std::uint64_t code);

}  // namespace knul::cli
