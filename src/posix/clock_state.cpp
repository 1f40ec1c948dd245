#include "posix/clock_state.hpp"

#include <sys/timex.h>
#include <time.h>

namespace knul::posix {

ClockState clock_state() {
  ClockState state;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  state.unix_seconds = now.tv_sec;
  timex query{};  // modes 0: only reads
  const int status = ::adjtimex(&query);
  state.is_known = status >= 0;
  state.is_synchronized = state.is_known && status != TIME_ERROR && (query.status & STA_UNSYNC) == 0;
  state.error_us = state.is_known ? query.maxerror : 0;
  return state;
}

}  // namespace knul::posix
