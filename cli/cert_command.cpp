#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/certificate.hpp"
#include "cli/commands.hpp"
#include "cli/number.hpp"

namespace knul::cli {
namespace {

struct CertFlags {
  std::string folder;
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  unsigned days = 30;
  bool force = false;
};

CommandResult make(const CertFlags& flags) {
  for (const std::string& host : flags.hosts) {
    if (const auto checked = check_certificate_host(host); !checked) {
      return usage_failure("--host: " + checked.error().message);
    }
  }
  const auto pair = make_certificate({.hosts = flags.hosts, .days = flags.days});
  if (!pair) {
    return pair.error();
  }
  const auto files = write_certificate(*pair, flags.folder, Overwrite{flags.force});
  if (!files) {
    return files.error();
  }
  std::printf("certificate %s\nkey         %s\n", files->certificate_path.c_str(), files->key_path.c_str());
  std::printf("for         %s, %u day(s)\n", CLI::detail::join(flags.hosts, ", ").c_str(), flags.days);
  return ExitCode::kSuccess;
}

}  // namespace

void add_cert_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<CertFlags>();
  CLI::App* const command = app.add_subcommand("cert", "Make a self-signed certificate for development");
  command->add_option("-o,--out", flags->folder, "Folder for cert.pem and key.pem; created if missing")
      ->required()
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--host", flags->hosts, "Host name or address the certificate is for; repeat for more")
      ->type_name("HOST")
      ->allow_extra_args(false)
      ->default_str("localhost 127.0.0.1 ::1");
  command->add_option("--days", flags->days, "Days of validity")
      ->type_name("N")
      ->transform(whole_number(1, 3'650))
      ->capture_default_str();
  command->add_flag("-f,--force", flags->force, "Replace existing files");
  command->callback([flags, &result] { result = make(*flags); });
}

}  // namespace knul::cli
