/// Calls of the host's kernel that the Swift overlay of the C library does not offer, and what must be done
/// inside signal handlers.
#ifndef SWITCHBACK_HOSTCALLS_H
#define SWITCHBACK_HOSTCALLS_H

#include <stddef.h>
#include <stdint.h>

/// `memfd_create(2)` with MFD_CLOEXEC. Returns a descriptor, or -1 with `errno` set.
int switchback_memory_file(const char *_Nonnull name);

/// Confines this process and those it starts to the processor that it runs on. Returns its number, or -1 with
/// `errno` set.
int switchback_pin_to_one_processor(void);

/// Waits until the child process has ended; leaves it to be waited for.
/// @return 0 when so many milliseconds have passed before that.
int switchback_wait_for_end(int process, int milliseconds);

/// Waits up to `nanoseconds` until one of two descriptors (-1: none) is readable, to the microsecond. Returns 1 for
/// the first, 2 for the second, 3 for both, 0 if the time is over, -1 with `errno` set after a signal or an error.
int switchback_wait_readable(int descriptor, int other, uint64_t nanoseconds);

/// `eventfd(2)` that does not block. Returns a descriptor, or -1 with `errno` set.
int switchback_event_descriptor(void);

/// Names the calling thread, for `top` and debuggers; at most 15 characters.
void switchback_name_thread(const char *_Nonnull name);

/// Catches SIGINT, SIGTERM, SIGHUP and SIGPIPE: the first is remembered for a clean stop, a second ends the
/// process at once.
void switchback_catch_signals(void);

/// The number of the first signal caught, 0 for none.
int switchback_caught_signal(void);

/// The number of SIGUSR1 caught since the last call.
int switchback_take_power_presses(void);

/// Puts the terminal at `descriptor` into raw mode until `switchback_restore_terminal`, also when the process
/// dies of a fault. Returns 0, or -1 when it is not a terminal.
int switchback_raw_terminal(int descriptor);

/// Undoes `switchback_raw_terminal`; does nothing without it.
void switchback_restore_terminal(void);

/// Copies `count` bytes, a multiple of 64, between addresses that are multiples of 16, without taking the target into this
/// core's caches.
void switchback_copy_past_caches(void *_Nonnull to, const void *_Nonnull from, size_t count);

#endif
