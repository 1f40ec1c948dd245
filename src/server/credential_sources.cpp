#include "server/credential_sources.hpp"

#include <filesystem>
#include <span>
#include <utility>

#include "server/credential_files.hpp"
#include "server/secrets.hpp"

namespace knul::server {
namespace {

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::string CredentialSource::shown() const { return is_file() ? credential_source(setting, path) : setting; }

CredentialSource file_source(std::string setting, const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ignored);
  return {std::move(setting), path, ignored ? path : absolute.string(), {}};
}

base::Result<std::string> read_source(const CredentialSource& from) {
  if (!from.is_file()) {
    return from.text;
  }
  return read_credential_file(from.setting, from.file);
}

base::Result<std::shared_ptr<const quic::CertificatePair>> read_pair(const PairSource& from,
                                                                     quic::CertificateUse use,
                                                                     std::optional<std::int64_t> now) {
  auto certificate = read_source(from.certificate);
  if (!certificate) {
    return std::move(certificate).error();
  }
  auto key = read_source(from.key);
  if (!key) {
    return std::move(key).error();
  }
  const Wiped wiped(*key);
  return quic::CertificatePair::load({.certificate = bytes(*certificate),
                                      .key = bytes(*key),
                                      .certificate_source = from.certificate.shown(),
                                      .key_source = from.key.shown(),
                                      .use = use},
                                     now);
}

}  // namespace knul::server
