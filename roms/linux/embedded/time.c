/* Time from the time-stamp counter, which counts the guest's cycles. */
#include "kernel.h"

static u32 cycles_per_microsecond = 1, epoch;

static u64 divide(u64 value, u32 by, u32 *remainder) {
  u32 high = (u32)(value >> 32), low = (u32)value, rest;
  u32 upper = high / by;
  rest = high % by;
  __asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(by));
  *remainder = rest;
  return (u64)upper << 32 | low;
}

void time_open(u32 mhz, u32 start) {
  cycles_per_microsecond = mhz ? mhz : 1;
  epoch = start;
}

u32 time_since_start(u32 *nanoseconds) {
  u32 cycles, microseconds;
  u64 total = divide(rdtsc(), cycles_per_microsecond, &cycles);
  u32 seconds = (u32)divide(total, 1000000, &microseconds);
  *nanoseconds = microseconds * 1000 + cycles * 1000 / cycles_per_microsecond;
  return seconds;
}

u32 time_since_epoch(u32 *nanoseconds) { return epoch + time_since_start(nanoseconds); }
