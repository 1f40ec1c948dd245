/* Prints the version of the library; links the C ABI only. */
#include <krepis/krepis.h>
#include <stdio.h>

int main(void) {
  puts(krepis_version());
  return krepis_abi_version() >= KREPIS_ABI_VERSION ? 0 : 1;
}
