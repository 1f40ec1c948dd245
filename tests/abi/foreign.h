/* Clients that offer a protocol that no server of the tests speaks. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins `count` handshakes with 127.0.0.1:port and waits until each is refused. 0, or -1 after a line on
 * stderr. */
int foreign_clients_are_refused(uint16_t port, uint32_t count);

#ifdef __cplusplus
}
#endif
