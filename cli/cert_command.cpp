#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "cli/certificate.hpp"
#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/standard_output.hpp"

namespace knul::cli {
namespace {

struct CertFlags {
  std::string folder;
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  std::string client;     // name of the client to make a certificate for; empty: none
  std::string authority;  // name of the authority to make; empty: none
  std::string issuer;     // the folder of the authority that signs; empty: self-signed
  unsigned days = 30;
  bool force = false;
};

CertificateKind kind_of(const CertFlags& flags) {
  if (!flags.authority.empty()) {
    return CertificateKind::kAuthority;
  }
  return flags.client.empty() ? CertificateKind::kServer : CertificateKind::kClient;
}

Outcome<PemPair> make_pair(const CertFlags& flags) {
  CertificateRequest request{
      .kind = kind_of(flags), .name = flags.client + flags.authority, .days = flags.days};
  if (request.kind == CertificateKind::kServer) {
    request.hosts = flags.hosts;
  }
  if (!flags.issuer.empty()) {
    auto issuer = read_certificate(flags.issuer);
    if (!issuer) {
      return usage_failure("--issuer: " + issuer.error().message);
    }
    request.issuer = *std::move(issuer);
  }
  return make_certificate(request);
}

CommandResult make(const CertFlags& flags) {
  for (const std::string& host : flags.hosts) {
    if (const auto checked = check_certificate_host(host); !checked) {
      return usage_failure("--host: " + checked.error().message);
    }
  }
  const auto pair = make_pair(flags);
  if (!pair) {
    return pair.error();
  }
  const auto files = write_certificate(*pair, flags.folder, Overwrite{flags.force});
  if (!files) {
    return files.error();
  }
  const std::string whom = kind_of(flags) == CertificateKind::kServer ? CLI::detail::join(flags.hosts, ", ")
                           : flags.client.empty()                     ? "the authority " + flags.authority
                                                                      : "the client " + flags.client;
  const auto printed = print("certificate " + files->certificate_path + "\nkey         " + files->key_path +
                             "\nfor         " + whom + ", " + std::to_string(flags.days) + " day(s)\n");
  return printed ? CommandResult(ExitCode::kSuccess) : CommandResult(printed.error());
}

}  // namespace

void add_cert_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<CertFlags>();
  CLI::App* const command = app.add_subcommand("cert", "Make a certificate for development");
  command->add_option("-o,--out", flags->folder, "Folder for cert.pem and key.pem; created if missing")
      ->required()
      ->type_name("DIR")
      ->check(not_empty());
  CLI::Option* const host =
      command
          ->add_option("--host", flags->hosts, "Host name or address the certificate is for; repeat for more")
          ->type_name("HOST")
          ->allow_extra_args(false)
          ->default_str("localhost 127.0.0.1 ::1");
  CLI::Option* const client =
      command->add_option("--client", flags->client, "A certificate for the client NAME")
          ->type_name("NAME")
          ->check(not_empty())
          ->excludes(host);
  command
      ->add_option("--authority", flags->authority,
                   "The certificate of the authority NAME, which issues others")
      ->type_name("NAME")
      ->check(not_empty())
      ->excludes(host)
      ->excludes(client);
  command
      ->add_option("--issuer", flags->issuer, "Folder of the authority that issues it; default: self-signed")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--days", flags->days, "Days of validity")
      ->type_name("N")
      ->transform(whole_number(1, 3'650))
      ->capture_default_str();
  command->add_flag("-f,--force", flags->force, "Replace existing files");
  command->callback([flags, &result] { result = make(*flags); });
}

}  // namespace knul::cli
