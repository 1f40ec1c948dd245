// Certificate and key are two files, and no program replaces both in one step unless they are behind one
// symbolic link. So the watch waits until nothing has changed for a while. A pair of which only one file has
// changed may be complete (a renewal that keeps the key), so it is tried; but if that fails, the other file
// may come any moment, and the error counts only when it has not come in time.
#include "server/certificate_watch.hpp"

#include <algorithm>

namespace knul::server {

CertificateWatch::Advice CertificateWatch::observe(std::vector<PairState> states, base::Instant now) {
  if (states != last_) {
    last_ = std::move(states);
    quiet_since_ = now;
  }
  if (last_ == loaded_) {
    changing_since_.reset();
    failed_.reset();
    return advice_ = Advice::kWait;
  }
  if (failed_ == last_ && !changing_since_) {
    return advice_ = Advice::kWait;  // reported; the next change begins anew
  }
  if (!changing_since_) {
    changing_since_ = quiet_since_ = now;
  }
  const bool is_overdue = now - *changing_since_ >= kLongestChange;
  if (is_overdue) {
    return advice_ = Advice::kReload;
  }
  const bool is_quiet = now - quiet_since_ >= kQuiet;
  if (!is_quiet || failed_ == last_) {
    return advice_ = Advice::kWait;
  }
  return advice_ = is_half_done() ? Advice::kTry : Advice::kReload;
}

void CertificateWatch::note_result(bool is_loaded) {
  if (is_loaded) {
    loaded_ = last_;
    failed_.reset();
    changing_since_.reset();
    return;
  }
  failed_ = last_;
  if (advice_ == Advice::kReload) {
    changing_since_.reset();
  }
}

// True if a file is missing, or only one file of a pair has changed.
bool CertificateWatch::is_half_done() const {
  for (std::size_t i = 0; i < last_.size(); ++i) {
    const PairState& now = last_[i];
    const bool is_whole = now.certificate.exists && now.key.exists;
    if (!is_whole || (now.certificate == loaded_[i].certificate) != (now.key == loaded_[i].key)) {
      return true;
    }
  }
  return false;
}

}  // namespace knul::server
