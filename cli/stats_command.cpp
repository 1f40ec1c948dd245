#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/admin_client.hpp"
#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/standard_output.hpp"
#include "cli/statistic_text.hpp"

namespace knul::cli {
namespace {

struct StatsFlags {
  std::string address = kDefaultAdminAddress;
  bool json = false;
};

CommandResult print_statistics(const StatsFlags& flags) {
  const auto address = parse_admin_address(flags.address);
  if (!address) {
    return address.error();
  }
  const auto body = fetch_admin(*address, "/stats");
  if (!body) {
    return body.error();
  }
  const auto statistics = parse_answer(*body, address->shown);
  if (!statistics) {
    return statistics.error();
  }
  // Escaped beyond ASCII, so that no text in it reaches a terminal as a control character.
  const std::string text = flags.json ? statistics->dump(-1, ' ', true) + "\n" : statistics_text(*statistics);
  const auto printed = print(text);
  return printed ? CommandResult(ExitCode::kSuccess) : CommandResult(printed.error());
}

}  // namespace

void add_stats_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<StatsFlags>();
  CLI::App* const command = app.add_subcommand("stats", "Print the statistics of a running server");
  command
      ->add_option("ADDRESS", flags->address,
                   "HOST:PORT, or the path of a Unix socket, of the server's --admin")
      ->check(not_empty())
      ->capture_default_str();
  command->add_flag("--json", flags->json,
                    "One JSON object: all statistics as the server sends them, also those that are 0");
  command->footer("Exit codes: 0 success, 1 no server or another answer, 2 wrong usage.");
  command->callback([flags, &result] { result = print_statistics(*flags); });
}

}  // namespace knul::cli
