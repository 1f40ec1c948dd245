/* Certificates for tests, made when the test runs. For C and C++.
 * Thread: any, for different names. Time: P-256 and Ed25519 under 5 ms a certificate, RSA about 0.2 s. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef enum KnulTestKeyKind {
  KNUL_TEST_KEY_P256,
  KNUL_TEST_KEY_RSA2048,
  KNUL_TEST_KEY_ED25519
} KnulTestKeyKind;

/* All zero is a valid choice: one self-signed P-256 certificate for "localhost", valid for ten days. */
typedef struct KnulTestCertificateOptions {
  KnulTestKeyKind kind;
  const char* host;         /* DNS name; 127.0.0.1 and ::1 are always added; null: "localhost" */
  int chain_length;         /* certificates in the file, leaf first, root last; 0 means 1 */
  int is_expired;           /* validity ended yesterday */
  int is_client;            /* for TLS clients only; otherwise for servers only */
  const char* key_password; /* encrypts the key file (PKCS #8); null: plain */
} KnulTestCertificateOptions;

typedef struct KnulTestCertificateFiles {
  char cert_path[512]; /* the chain */
  char key_path[512];  /* the leaf's key */
  char ca_path[512];   /* the root alone, for a client to trust */
} KnulTestCertificateFiles;

/* Writes <folder>/<name>.cert.pem, .key.pem, .ca.pem. `options` may be null. Returns 0, or -1 after a line on
 * stderr. */
int knul_test_write_certificates(const char* folder, const char* name,
                                 const KnulTestCertificateOptions* options, KnulTestCertificateFiles* files);

#ifdef __cplusplus
}
#endif
