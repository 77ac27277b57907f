/// Calls of the host's kernel that the Swift overlay of the C library does not offer.
#ifndef SWITCHBACK_HOSTCALLS_H
#define SWITCHBACK_HOSTCALLS_H

/// `memfd_create(2)` with MFD_CLOEXEC. Returns a descriptor, or -1 with `errno` set.
int switchback_memory_file(const char *_Nonnull name);

#endif
