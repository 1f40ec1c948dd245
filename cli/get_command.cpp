#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/client_flags.hpp"
#include "cli/commands.hpp"
#include "cli/hq_download.hpp"
#include "cli/number.hpp"
#include "cli/quantity.hpp"

namespace knul::cli {
namespace {

struct GetFlags {
  ClientFlags client;
  std::string server;
  std::vector<std::string> paths;
  std::string folder;
  std::uint64_t parallel = 32;
};

Outcome<HqTarget> target_of(const GetFlags& flags) {
  if (is_url(flags.server)) {
    auto target = parse_url(flags.server);
    if (target) {
      target->paths.insert(target->paths.end(), flags.paths.begin(), flags.paths.end());
    }
    return target;
  }
  auto server = parse_host_port(flags.server);
  if (!server) {
    return std::move(server).error();
  }
  if (flags.paths.empty()) {
    return usage_failure("no file given; expected HOST:PORT PATH... or a URL");
  }
  return HqTarget{*std::move(server), flags.paths};
}

// The protocol has only absolute paths, and a line end would begin another request.
Outcome<void> check_paths(std::vector<std::string>& paths) {
  for (std::string& path : paths) {
    if (!path.starts_with('/')) {
      path.insert(path.begin(), '/');
    }
    if (path.find_first_of("\r\n") != std::string::npos) {
      return usage_failure("a path contains a line end (CR or LF); expected none");
    }
  }
  return {};
}

// Prints to standard error if the files go to standard output.
void print_result(const FileResult& file, const GetFlags& flags) {
  std::FILE* const stream = flags.folder.empty() ? stderr : stdout;
  if (flags.client.json) {
    nlohmann::ordered_json line = {{"path", file.path}, {"bytes", file.bytes}, {"ok", file.error.empty()}};
    if (!file.error.empty()) {
      line["error"] = file.error;
    }
    std::fprintf(stream, "%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (file.error.empty()) {
    std::fprintf(stream, "%s  %s (%llu bytes)\n", file.path.c_str(), format_bytes(file.bytes).c_str(),
                 static_cast<unsigned long long>(file.bytes));
  } else {
    std::fprintf(stderr, "knul: %s: %s\n", file.path.c_str(), file.error.c_str());
  }
  std::fflush(stream);
}

// The client's thread blocks SIGPIPE. A command whose reader has closed the pipe, as `head` does, should end
// by this signal without a message.
ExitCode end_by_sigpipe() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
  return ExitCode::kFailure;
}

// Called before the first request, because an error of the folder is wrong usage.
Outcome<void> check_folder(const GetFlags& flags) {
  std::error_code error;
  if (!flags.folder.empty()) {
    std::filesystem::create_directories(flags.folder, error);
  }
  if (error) {
    return usage_failure("--out: \"" + flags.folder + "\": " + error.message());
  }
  return {};
}

CommandResult get(const GetFlags& flags) {
  if (auto checked = check_folder(flags); !checked) {
    return std::move(checked).error();
  }
  auto target = target_of(flags);
  if (!target) {
    return std::move(target).error();
  }
  if (auto checked = check_paths(target->paths); !checked) {
    return std::move(checked).error();
  }
  const auto to = find_destination(target->server, flags.client);
  if (!to) {
    return to.error();
  }
  const auto results = std::make_shared<DownloadResults>();
  DownloadPlan plan{.paths = std::move(target->paths),
                    .folder = flags.folder,
                    // Files on standard output must not mix.
                    .parallel = flags.folder.empty() ? 1 : flags.parallel};
  auto client = krepis::QuicClient::start(client_options(flags.client, *to),
                                          std::make_unique<HqDownload>(std::move(plan), *to, results));
  if (!client) {
    return start_failure(client.error());
  }
  if (auto connecting = (*client)->connect(to->address, to->port, to->server_name, 0); !connecting) {
    return connect_failure(connecting.error(), *to);
  }
  ExitCode code = ExitCode::kSuccess;
  for (auto fresh = results->wait(); !fresh.empty(); fresh = results->wait()) {
    for (const FileResult& file : fresh) {
      print_result(file, flags);
      code = file.error.empty() ? code : ExitCode::kFailure;
    }
  }
  if (results->is_abandoned()) {
    client->reset();
    return end_by_sigpipe();
  }
  return code;
}

}  // namespace

void add_get_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<GetFlags>();
  flags->client.alpn = "hq-interop";
  CLI::App* const command = app.add_subcommand("get", "Fetch files from a server that runs the service hq");
  command->add_option("SERVER", flags->server, "HOST:PORT, or a URL such as hq://localhost:4433/file")
      ->required();
  command->add_option("PATH", flags->paths, "Files to fetch");
  command->add_option("-o,--out", flags->folder, "Folder to store the files below; default: standard output")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--parallel", flags->parallel, "Files to fetch at the same time, with --out")
      ->type_name("N")
      ->transform(whole_number(1, 1'000))
      ->capture_default_str();
  add_client_flags(*command, flags->client);
  command->footer("Exit codes: 0 all files were received, 1 a file was not, 2 wrong usage.");
  command->callback([flags, &result] { result = get(*flags); });
}

}  // namespace knul::cli
