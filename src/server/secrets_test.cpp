#include "server/secrets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <span>

namespace knul::server {
namespace {

// The text keeps its memory, so that the test may read it.
TEST(Wiped, OverwritesTheKeyOfOptionsAfterAnException) {
  krepis::ServerOptions options;
  options.key_pem = "-----BEGIN PRIVATE KEY----- and so on";
  const std::span<const char> memory(options.key_pem.data(), options.key_pem.size());
  try {
    const Wiped wiped(options);
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
  }
  EXPECT_TRUE(options.key_pem.empty());
  EXPECT_TRUE(std::ranges::all_of(memory, [](char byte) { return byte == 0; }));
}

}  // namespace
}  // namespace knul::server
