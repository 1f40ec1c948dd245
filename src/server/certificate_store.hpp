// The certificates of a running server: read at the start, and again when the program or the watcher asks.
#pragma once

#include <krepis/krepis.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "quic/crypto/tls_context.hpp"
#include "server/certificate_watch.hpp"
#include "server/credential_sources.hpp"
#include "server/expiry_warnings.hpp"
#include "stats/snapshot.hpp"

namespace knul::server {

enum class ReportFailure : bool { kNo, kYes };

// Thread: any. Lifetime: outlives the workers, and the log outlives it.
class CertificateStore final : public quic::TlsServerSource {
 public:
  // Reads and checks all pairs. `key_log` may be null. Blocks to read files. Error: kCredentials, kQuota.
  static base::Result<std::unique_ptr<CertificateStore>> load(const krepis::ServerOptions& options,
                                                              base::KeyLog* key_log, base::LogSink& log);
  ~CertificateStore() override;
  CertificateStore(const CertificateStore&) = delete;
  CertificateStore& operator=(const CertificateStore&) = delete;

  // Reads and checks all files again. Handshakes that start after the return use the new certificates. After
  // an error the present certificates stay; the failure is counted and logged if `report` says so. Errors: as
  // load(), and kWrongState: there is no file.
  base::Status reload(ReportFailure report = ReportFailure::kYes);

  // The newest context.
  [[nodiscard]] std::shared_ptr<const quic::TlsServerContext> context() const;
  void refresh(std::shared_ptr<const quic::TlsServerContext>& tls) override;

  [[nodiscard]] const std::vector<PairSource>& sources() const { return sources_; }
  // Of the authorities of client certificates; its setting is empty without client_auth.
  [[nodiscard]] const CredentialSource& authorities() const { return authorities_; }
  // The states of the files just before load() read them, if the options ask to watch them.
  [[nodiscard]] const std::vector<PairState>& first_states() const { return first_states_; }

  // Sets the values of certificates; snapshot.totals must be set. Lifetime of texts: the returned object's.
  [[nodiscard]] std::shared_ptr<const void> fill(stats::ServerSnapshot& snapshot) const;
  // Logs that certificates expire soon or have expired, each once per threshold.
  void warn_of_expiry();

 private:
  // A generation of certificates.
  struct Loaded {
    std::shared_ptr<const quic::TlsServerContext> context;
    std::uint64_t generation = 0;
    std::int64_t not_before = 0;  // all certificates are valid from here
    std::int64_t not_after = 0;   // to here
    std::string serials;
    std::string names;
  };

  CertificateStore(const krepis::ServerOptions& options, base::KeyLog* key_log, base::LogSink& log);

  base::Result<std::shared_ptr<const quic::TlsServerContext>> read(const quic::TlsServerContext* present);
  base::Status read_pairs(const quic::TlsServerContext* present, quic::TlsServerOptions& options);
  base::Status read_authorities(const quic::TlsServerContext* present, quic::TlsServerOptions& options) const;
  [[nodiscard]] bool has_file() const;
  void publish(std::shared_ptr<const quic::TlsServerContext> context);
  [[nodiscard]] std::shared_ptr<const Loaded> loaded() const;

  base::LogSink& log_;
  base::KeyLog* const key_log_;  // may be null
  const std::vector<std::string> alpn_;
  const quic::ClientAuth client_auth_;
  const CredentialSource authorities_;
  std::mutex
      reading_;  // one reload at a time, which may wait for a file system; guards the texts of sources_
  std::vector<PairSource> sources_;
  std::vector<PairState> first_states_;
  std::mutex warning_;  // guards warnings_; a worker takes it once an hour
  ExpiryWarnings warnings_;

  // Invariant: newest_ is loaded_->context. A worker that has the newest context takes no lock.
  std::atomic<const quic::TlsServerContext*> newest_{nullptr};
  mutable std::mutex mutex_;  // guards loaded_
  std::shared_ptr<const Loaded> loaded_;
  std::atomic<std::uint64_t> reloads_{0};
  std::atomic<std::uint64_t> reloads_failed_{0};
};

}  // namespace knul::server
