/* registry/ca_bundle.h -- Mozilla's certificate authorities, inside the binary.
 *
 * The last resort when the system has no bundle that devbox knows (a bare chroot, an unusual distribution); the
 * system's own, where found, always wins.  PEM text as in the build machine's package ca-certificates, without what an
 * administrator added there; put into .deps/lib/libcacert.a by build.sh.  For CURLOPT_CAINFO_BLOB. */
#ifndef REGISTRY_CA_BUNDLE_H
#define REGISTRY_CA_BUNDLE_H

#include <stddef.h>

extern const char ca_bundle_pem[]; /* NUL-ended */
extern const size_t ca_bundle_pem_size; /* without the NUL */

#endif
