/* What the ABI tests share: a certificate, a configuration, servers, and counts of what a process has open.
 */
#pragma once

#include <krepis/krepis.h>
#include <stdbool.h>

#include "support/test_certificates.h"

/* Makes a folder with a P-256 certificate, removed when the process exits. Ends the program on failure. */
void fixture_set_up(void);
extern KnulTestCertificateFiles fixture_files;
extern char fixture_folder[256];

/* A buffer over the text without its NUL. */
FfiBuffer text_buffer(const char* text);
/* 127.0.0.1, 100 streams, 30 s, the certificate of the fixture. */
FfiQuicConfig config_for(uint16_t port);
/* A UDP port of 127.0.0.1 that was free a moment ago, and that no other of these programs takes. Thread: one.
 */
uint16_t free_port(void);

/* The handle in a start's result. */
uint64_t handle_of(FfiResponse response);
/* The result as a C string; the ABI promises the NUL. */
const char* text_of(FfiResponse response);
/* Start a server on a free port; end the program on failure. */
uint64_t start_server(void);
/* `more`: members to add, such as "\"service\":\"echo\"", or NULL. */
uint64_t start_server_json(const char* more);

/* Of this process, from /proc/self. */
int open_descriptors(void);
int threads(void);
/* Waits: the kernel may still list a thread for a moment after it was joined. */
bool threads_come_down_to(int wanted);
/* The value that follows "name": in a JSON text, or -1. */
double json_number(const char* json, const char* name);

double seconds_now(void);
