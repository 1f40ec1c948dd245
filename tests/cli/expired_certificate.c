/* Writes FOLDER/expired.cert.pem and expired.key.pem, whose validity ended yesterday. */
#include "support/test_certificates.h"

int main(int count, char** arguments) {
  const KnulTestCertificateOptions options = {.is_expired = 1};
  KnulTestCertificateFiles files;
  return count == 2 && knul_test_write_certificates(arguments[1], "expired", &options, &files) == 0 ? 0 : 1;
}
