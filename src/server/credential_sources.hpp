// Where certificates and keys come from: files, or texts of the settings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "quic/crypto/certificate_pair.hpp"

namespace knul::server {

// A file, or a text of the settings.
struct CredentialSource {
  std::string setting;  // "cert_path"
  std::string path;     // as given; empty: a text
  std::string file;     // the path from the root, so that a later chdir() changes nothing
  std::string text;     // of a key: wiped when the pair is loaded, unless its other half is a file

  [[nodiscard]] bool is_file() const { return !path.empty(); }
  [[nodiscard]] std::string shown() const;  // begins the texts of errors
};

struct PairSource {
  CredentialSource certificate;
  CredentialSource key;
};

[[nodiscard]] CredentialSource file_source(std::string setting, const std::string& path);

// Blocks while the file system reads. Error: as read_credential_file.
base::Result<std::string> read_source(const CredentialSource& from);

// Reads and checks a pair, see CertificatePair::load, and wipes the key that it has read.
base::Result<std::shared_ptr<const quic::CertificatePair>> read_pair(
    const PairSource& from, quic::CertificateUse use, std::optional<std::int64_t> now = std::nullopt);

}  // namespace knul::server
