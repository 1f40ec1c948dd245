// Static probes (USDT, provider "knul") for bpftrace, perf and SystemTap. A probe is one instruction without
// effect until a program traces it; its arguments cost no computation. Without <sys/sdt.h> there are none.
#pragma once

#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
// `name` has two underscores where tools show a dash. Integers and pointers; a text ends with NUL.
#define KNUL_PROBE(name, ...) STAP_PROBEV(knul, name, __VA_ARGS__)
#else
#define KNUL_PROBE(name, ...) ::knul::base::no_probe(__VA_ARGS__)
#endif

namespace knul::base {

template <class... Values>
constexpr void no_probe(const Values&... /*values*/) {}

}  // namespace knul::base
