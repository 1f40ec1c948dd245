// Uses the C++ interface and the C ABI of the static archive, so that the link needs every library behind it.
#include <krepis/krepis.h>
#include <krepis/krepis.hpp>

#include <cstdio>

int main() {
  krepis::ServerOptions options;
  options.cert_path = "/nonexistent/certificate.pem";
  options.key_path = "/nonexistent/key.pem";
  if (krepis::QuicServer::start(options).has_value()) {
    return 1;  // a server without a certificate
  }
  std::puts(krepis_version());
  return 0;
}
