/* System calls other than those about files. What is not here ends the run with a message that names it: a program must
   not go on from a wrong answer. Calls that have replacements in every C library are declined as an old kernel does. */
#include "kernel.h"

enum { PROCESS = 100, PARENT = 1, MAP_FIXED = 0x10, MAP_SHARED = 1, MAP_ANONYMOUS = 0x20, SIGNALS = 65 };

static u32 handlers[SIGNALS][5]; /* handler, flags, restorer, mask: as rt_sigaction has them */
static u32 signal_mask[2];

void process_reset(void) {
  clear(handlers, sizeof handlers);
  clear(signal_mask, sizeof signal_mask);
  for (u32 i = 6; i < 9; i++) set_thread_descriptor(i, 0);
}

/* Delivers a signal to the program: its end, unless it has asked for something else. */
void raise_signal(u32 number) {
  if (handlers[number][0] == 1) return;
  if (handlers[number][0]) {
    char text[64];
    append_number(append(text, "the program would handle signal "), number);
    fail(text, ", which the embedded guest does not deliver; use --kernel");
  }
  enum { IGNORED_BY_DEFAULT = 1 << 17 | 1 << 18 | 1 << 23 | 1 << 28 };
  if (number < 32 && (IGNORED_BY_DEFAULT >> number & 1)) return;
  end_run(number);
}

static int put(u32 address, const void *data, u32 size) {
  if (!accessible(address, size, 1)) return -EFAULT;
  copy((void *)address, data, size);
  return 0;
}

static int map_memory(u32 number, const u32 *a, u32 offset) {
  u32 address = a[0] & ~(PAGE - 1), size = (a[1] + PAGE - 1) & ~(PAGE - 1), protection = a[2] & 7, flags = a[3];
  if (!a[1] || (flags & MAP_FIXED && a[0] & (PAGE - 1))) return -EINVAL;
  if (!size) return -ENOMEM;
  if (flags & MAP_SHARED && !(flags & MAP_ANONYMOUS)) fail_call(number, "of a file that is shared");
  if (!(flags & MAP_FIXED) && (!address || !is_free(address, size))) {
    address = find_free(size);
    if (!address) return -ENOMEM;
  }
  /* Fill it before its rights are final. */
  int error = map(address, size, flags & MAP_ANONYMOUS ? protection : protection | READ | WRITE);
  if (error) return error;
  if (!(flags & MAP_ANONYMOUS)) {
    int count = read_file(a[4], offset, address, size);
    if (count < 0) {
      unmap(address, size);
      return count == -EISDIR ? -EACCES : count;
    }
    protect(address, size, protection);
  }
  return (int)address;
}

static int remap_memory(u32 number, u32 address, u32 old, u32 new, u32 flags) {
  enum { MAYMOVE = 1 };
  old = (old + PAGE - 1) & ~(PAGE - 1);
  new = (new + PAGE - 1) & ~(PAGE - 1);
  if (address & (PAGE - 1) || !new) return -EINVAL;
  if (flags & ~(u32)MAYMOVE) fail_call(number, "to a fixed address");
  int protection = old ? protection_of(address, old) : -1;
  if (protection < 0) return -EFAULT;
  if (new <= old) {
    if (new < old) unmap(address + new, old - new);
    return (int)address;
  }
  if (is_free(address + old, new - old)) {
    int error = map(address + old, new - old, (u32)protection);
    return error ? error : (int)address;
  }
  if (!(flags & MAYMOVE)) return -ENOMEM;
  u32 to = find_free(new);
  if (!to || map(to, new, (u32)protection)) return -ENOMEM;
  move_pages(address, to, old);
  unmap(address, old);
  return (int)to;
}

static int set_thread_area(u32 address) {
  if (!accessible(address, 16, 1)) return -EFAULT;
  u32 *info = (u32 *)address;
  u32 entry = info[0], base = info[1], limit = info[2], flags = info[3];
  if (entry == (u32)-1) {
    for (entry = 6; entry < 9 && !thread_descriptor_is_free(entry); entry++) {}
    if (entry == 9) return -ESRCH;
    info[0] = entry;
  }
  if (entry < 6 || entry > 8) return -EINVAL;
  /* struct user_desc: seg_32bit, contents:2, read_exec_only, limit_in_pages, seg_not_present. SDM vol. 3, 3.4.5. */
  u32 type = (flags >> 1 & 3) << 2 | (flags & 8 ? 0 : 2) | 1;
  u32 access = (flags & 32 ? 0 : 0x80) | 0x70 | type;
  u32 high = (base & 0xFF000000) | (flags & 16 ? 1u << 23 : 0) | (flags & 1 ? 1u << 22 : 0) | (limit & 0xF0000) |
             access << 8 | (base >> 16 & 0xFF);
  set_thread_descriptor(entry, (u64)high << 32 | (u32)(base << 16 | (limit & 0xFFFF)));
  return 0;
}

static int action(u32 number, u32 new, u32 old) {
  if (number < 1 || number >= SIGNALS) return -EINVAL;
  u32 before[5];
  copy(before, handlers[number], sizeof before);
  if (new) {
    if (!accessible(new, 20, 0)) return -EFAULT;
    if (number == 9 || number == 19) return -EINVAL;
    copy(handlers[number], (const void *)new, 20);
  }
  return old ? put(old, before, sizeof before) : 0;
}

static int mask(u32 how, u32 new, u32 old) {
  u32 before[2] = {signal_mask[0], signal_mask[1]};
  if (new) {
    if (!accessible(new, 8, 0)) return -EFAULT;
    const u32 *set = (const u32 *)new;
    if (how > 2) return -EINVAL;
    for (int i = 0; i < 2; i++)
      signal_mask[i] = how == 0 ? signal_mask[i] | set[i] : how == 1 ? signal_mask[i] & ~set[i] : set[i];
  }
  return old ? put(old, before, 8) : 0;
}

static int send_signal(u32 process, u32 number) {
  if (process != PROCESS && process != 0) return -ESRCH;
  if (number >= SIGNALS) return -EINVAL;
  if (number) raise_signal(number);
  return 0;
}

static int put_time(u32 address, u32 seconds, u32 fraction, int wide) {
  u32 value[4] = {seconds, wide ? 0 : fraction, fraction, 0};
  return address ? put(address, value, wide ? 16 : 8) : -EFAULT;
}

static int clock_time(u32 number, u32 clock, u32 address, int wide) {
  u32 nanoseconds, seconds;
  switch (clock) {
  case 0:
  case 5: seconds = time_since_epoch(&nanoseconds); break;
  case 1:
  case 2: /* The only process has run since the start. */
  case 3:
  case 4:
  case 6:
  case 7: seconds = time_since_start(&nanoseconds); break;
  default: fail_call(number, "of an unusual clock");
  }
  return put_time(address, seconds, nanoseconds, wide);
}

static int limit(u32 number, u32 address, int wide) {
  u32 value = number == 3 ? STACK_SIZE : number == 7 ? 256 : ~0u, high = value == ~0u ? ~0u : 0;
  u32 narrow[2] = {value, value}, long_form[4] = {value, high, value, high};
  return wide ? put(address, long_form, 16) : put(address, narrow, 8);
}

static int system_name(u32 address) {
  static const char parts[6][65] = {"Linux", "switchback", "6.1.0-switchback", "#1 embedded", "i686", "(none)"};
  return put(address, parts, sizeof parts);
}

static int system_information(u32 address) {
  u32 nanoseconds, value[16] = {time_since_start(&nanoseconds), 0, 0, 0, total_pages() * PAGE, free_pages() * PAGE};
  value[10] = 1; /* processes */
  value[13] = 1; /* bytes in a unit */
  return put(address, value, 64);
}

static int usage(u32 address) {
  u32 nanoseconds, value[18] = {0};
  value[0] = time_since_start(&nanoseconds);
  value[1] = nanoseconds / 1000;
  value[8] = page_faults;
  return put(address, value, sizeof value);
}

static int process_times(u32 address) {
  u32 nanoseconds, ticks = time_since_start(&nanoseconds) * 100;
  ticks += nanoseconds / 10000000;
  u32 value[4] = {ticks, 0, 0, 0};
  int error = address ? put(address, value, 16) : 0;
  return error ? error : (int)ticks;
}

static int random(u32 address, u32 size) {
  static u32 state = 0x2545F491;
  if (!accessible(address, size, 1)) return -EFAULT;
  for (u32 i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    ((u8 *)address)[i] = (u8)state;
  }
  return (int)size;
}

static int directory_name(u32 address, u32 size) {
  u32 length = length_of(working_directory) + 1;
  if (size < length) return -ERANGE;
  int error = put(address, working_directory, length);
  return error ? error : (int)length;
}

static int futex(u32 number, u32 operation) {
  if ((operation & 0x7F) == 1) return 0;
  fail_call(number, "that waits");
}

static int call(u32 number, const u32 *a) {
  u32 nanoseconds;
  int handled, result = file_call(number, a, &handled);
  if (handled) return result;
  switch (number) {
  case 1: /* exit, exit_group */
  case 252: end_run((a[0] & 0xFF) << 8);
  case 13: { /* time */
    u32 seconds = time_since_epoch(&nanoseconds);
    result = a[0] ? put(a[0], &seconds, 4) : 0;
    return result ? result : (int)seconds;
  }
  case 20: /* getpid, gettid, set_tid_address */
  case 224:
  case 258: return PROCESS;
  case 24: /* getuid, getgid, geteuid, getegid; the 32-bit ones; setuid... */
  case 47:
  case 49:
  case 50:
  case 199:
  case 200:
  case 201:
  case 202: return 0;
  case 37: return send_signal(a[0], a[1]);
  case 43: return process_times(a[0]);
  case 45: return (int)set_break(a[0]);
  case 60: return 022; /* umask */
  case 64: return PARENT;
  case 76: /* getrlimit, ugetrlimit */
  case 191: return limit(a[0], a[1], 0);
  case 77: return usage(a[1]);
  case 78: { /* gettimeofday */
    u32 seconds = time_since_epoch(&nanoseconds);
    return a[0] ? put_time(a[0], seconds, nanoseconds / 1000, 0) : 0;
  }
  case 91: /* munmap */
    if (a[0] & (PAGE - 1) || !a[1] || a[0] + a[1] < a[0]) return -EINVAL;
    unmap(a[0], (a[1] + PAGE - 1) & ~(PAGE - 1));
    return 0;
  case 116: return system_information(a[0]);
  case 122: return system_name(a[0]);
  case 125: /* mprotect */
    if (a[0] & (PAGE - 1)) return -EINVAL;
    return a[1] ? protect(a[0], (a[1] + PAGE - 1) & ~(PAGE - 1), a[2] & 7) : 0;
  case 136: return 0; /* personality */
  case 158: return 0; /* sched_yield */
  case 163: return remap_memory(number, a[0], a[1], a[2], a[3]);
  case 172: return a[0] == 15 ? 0 : -EINVAL; /* prctl: PR_SET_NAME */
  case 174: return action(a[0], a[1], a[2]);
  case 175: return mask(a[0], a[1], a[2]);
  case 183: return directory_name(a[0], a[1]);
  case 186: return 0; /* sigaltstack */
  case 192: return map_memory(number, a, a[5] * PAGE);
  case 219: /* madvise */
    if (a[0] & (PAGE - 1)) return -EINVAL;
    if (a[2] == 4) discard(a[0], (a[1] + PAGE - 1) & ~(PAGE - 1));
    return 0;
  case 238: return send_signal(a[0], a[1]); /* tkill */
  case 240: return futex(number, a[1]);
  case 242: { /* sched_getaffinity */
    u32 one = 1;
    result = a[1] < 4 ? -EINVAL : put(a[2], &one, 4);
    return result ? result : 4;
  }
  case 243: return set_thread_area(a[0]);
  case 265: return clock_time(number, a[0], a[1], 0);
  case 266: return a[1] ? put_time(a[1], 0, 1, 0) : 0; /* clock_getres */
  case 270: return send_signal(a[1], a[2]); /* tgkill */
  case 311: return 0; /* set_robust_list */
  case 318: { /* getcpu */
    u32 zero = 0;
    result = a[0] ? put(a[0], &zero, 4) : 0;
    return a[1] && !result ? put(a[1], &zero, 4) : result;
  }
  case 340: return a[2] ? -EPERM : a[3] ? limit(a[1], a[3], 1) : 0; /* prlimit64 */
  case 355: return random(a[0], a[1]);
  case 384: return -EINVAL; /* arch_prctl */
  case 403: return clock_time(number, a[0], a[1], 1);
  case 406: return a[1] ? put_time(a[1], 0, 1, 1) : 0; /* clock_getres_time64 */
  case 375: /* membarrier, statx, rseq, clone3, close_range: libraries go on without them */
  case 383:
  case 386:
  case 436: return -ENOSYS;
  default: fail_call(number, 0);
  }
}

void system_call(struct frame *frame) {
  u32 arguments[6] = {frame->ebx, frame->ecx, frame->edx, frame->esi, frame->edi, frame->ebp};
  system_calls++;
  frame->eax = (u32)call(frame->eax, arguments);
}
