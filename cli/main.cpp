// The `knul` command: serve, cert, perf, get, stats, top, check.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <krepis/krepis.hpp>

#include <cstdio>
#include <exception>
#include <string>

#include "cli/commands.hpp"

namespace {

using knul::cli::CommandResult;
using knul::cli::ExitCode;
using knul::cli::Failure;

int report(const Failure& failure) {
  std::fflush(stdout);
  std::fprintf(stderr, "knul: %s\n", failure.message.c_str());
  return static_cast<int>(failure.code);
}

// The error text for an unknown command; empty: there is none. CLI11 only reports that a command is missing.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  if (!app.get_subcommands().empty() || argc < 2 || *argv[1] == '-') {
    return {};
  }
  return std::string("unknown command \"") + argv[1] +
         "\"; expected serve, cert, perf, get, stats, top or check";
}

// --help and --version end the parse as errors with code 0.
int end_of_parse(const CLI::App& app, const CLI::ParseError& error, const std::string& better_text) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);
  }
  const CLI::App* chosen = &app;
  for (const CLI::App* const command : app.get_subcommands()) {
    chosen = command;
  }
  const std::string command = chosen == &app ? "knul" : "knul " + chosen->get_name();
  std::fprintf(stderr, "knul: %s\nTry `%s --help`.\n",
               better_text.empty() ? error.what() : better_text.c_str(), command.c_str());
  return static_cast<int>(ExitCode::kUsage);
}

int run(int argc, char** argv) {
  CLI::App app("Krepis KNUL: a QUIC server and its tools", "knul");
  app.set_version_flag("--version", std::string("knul ") + krepis::version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  app.footer("Exit codes: 0 success, 1 failure, 2 wrong usage, 3 and 4 see `knul serve --help`.");
  CommandResult result = ExitCode::kSuccess;
  if (const auto added = knul::cli::add_serve_command(app, result); !added) {
    return report(added.error());
  }
  knul::cli::add_cert_command(app, result);
  knul::cli::add_perf_command(app, result);
  knul::cli::add_get_command(app, result);
  knul::cli::add_stats_command(app, result);
  knul::cli::add_top_command(app, result);
  if (const auto added = knul::cli::add_check_command(app, result); !added) {
    return report(added.error());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return end_of_parse(app, error, unknown_command(app, argc, argv));
  }
  return result ? static_cast<int>(*result) : report(result.error());
}

}  // namespace

// A descriptor that this process opens must not become its standard input, output or error.
void open_standard_descriptors() {
  int opened = 0;
  while (opened >= 0 && opened <= STDERR_FILENO) {
    opened = ::open("/dev/null", O_RDWR | (opened < STDERR_FILENO ? 0 : O_CLOEXEC));
  }
  if (opened > STDERR_FILENO) {
    ::close(opened);
  }
}

int main(int argc, char** argv) {
  open_standard_descriptors();
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "knul: %s\n", error.what());
    return static_cast<int>(ExitCode::kFailure);
  }
}
