/* The interface between the tasks and the kernel: INT 80h, EAX selects, EBX, ECX and EDX are the arguments. */
#pragma once

#define SYSTEM_CALL 0x80
/* The window colour that marks the task which waits for keys. */
#define PROMPT_COLOR 0x0F

enum {
  CALL_EXIT,
  CALL_SLEEP, /* ticks */
  CALL_TICKS,
  CALL_PUT, /* x, y, character | color << 8 */
  CALL_LOG, /* text */
  CALL_KEY,
};
