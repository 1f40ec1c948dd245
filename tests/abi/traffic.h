/* A client for the C tests, on krepis::QuicClient. Each function returns 0, or -1 after a line on stderr. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One connection to 127.0.0.1:port with ALPN "knul". */
typedef struct Traffic Traffic;

Traffic* traffic_connect(uint16_t port); /* null: failed */
/* Sends `bytes` bytes on a new stream with FIN, reads the echo to its end. */
int traffic_echo(Traffic* traffic, uint32_t bytes);
/* Opens a stream, sends one byte, reads its echo, and leaves the stream open. */
int traffic_hold_stream(Traffic* traffic);
/* Ends the stream that is held; the connection closes when the server says so. */
int traffic_finish_stream(Traffic* traffic);
/* Waits until the connection is closed. */
int traffic_wait_closed(Traffic* traffic);
void traffic_free(Traffic* traffic);

/* The C++ side of setlocale. */
int traffic_set_cpp_locale(const char* name);

#ifdef __cplusplus
}
#endif
