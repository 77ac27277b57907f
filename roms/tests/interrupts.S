/* Hardware interrupts: 8254, 8259, the interrupt shadow, HLT. SDM vol. 3 chapter 6.8; 8259A and 8254 data sheets. */
#include "test.h"
#include "pic.h"

#define TIMER 0x20
#define ALL_MASKED 0xFF

/* Counter 0 counts `ticks` once and then raises IRQ 0. */
.macro ONE_SHOT ticks
  movb $0x30, %al
  outb %al, $0x43
  movb $((\ticks) & 0xFF), %al
  outb %al, $0x40
  movb $((\ticks) >> 8), %al
  outb %al, $0x40
.endm
/* Waits, without taking it, until IRQ 0 is requested. Clobbers EAX and ECX. */
.macro PENDING
  ONE_SHOT 20
  call await_request
.endm
.macro EOI
  movb $0x20, %al
  outb %al, $0x20
.endm
/* The interrupt came at this EIP. */
.macro TIMER_AT name, eip
  TRAPPED "\name", TIMER, NONE, \eip
  EOI
.endm
.macro READ_PIC name, ocw3, mask, want
  movb $\ocw3, %al
  outb %al, $0x20
  inb $0x20, %al
  movzbl %al, %ebx
  CHECK_BITS "\name", %ebx, \mask, \want
.endm

TESTS
  cli
  ONE_SHOT 0xFFFF
  movb $0x11, %al
  outb %al, $0x20
  outb %al, $0xA0
  movb $0x20, %al
  outb %al, $0x21
  movb $0x28, %al
  outb %al, $0xA1
  movb $4, %al
  outb %al, $0x21
  movb $2, %al
  outb %al, $0xA1
  movb $1, %al
  outb %al, $0x21
  outb %al, $0xA1
  movb $ALL_MASKED, %al
  outb %al, $0xA1
  movb $0xFE, %al
  outb %al, $0x21
  inb $0x21, %al
  movzbl %al, %ebx
  CHECK "interrupt mask reads back", %ebx, $0xFE
  READ_PIC "nothing requested", 0x0A, 1, 0
  READ_PIC "nothing in service", 0x0B, 0xFF, 0
  PENDING
  READ_PIC "timer requested", 0x0A, 1, 1

/* The shadow of STI. */
  GUARD 2f
  nop
  nop
  sti
1: nop
3: nop
2:
  cli
  TIMER_AT "STI: after one more instruction", 3b
  CHECK_BITS "pushed IF", trap_eflags, 0x200, 0x200
  READ_PIC "after the EOI nothing is in service", 0x0B, 0xFF, 0
  PENDING
  GUARD 2f
  sti
  cli
  nop
  nop
2:
  TRAPPED "STI; CLI lets nothing through", NONE, NONE, 0
  GUARD 2f
  sti
  movl %eax, %ebx
3: nop
2:
  cli
  TIMER_AT "STI; MOV", 3b
  PENDING
  GUARD 2f
  pushl $0x202
  popfl
1: nop
2:
  cli
  TIMER_AT "POPF has no shadow", 1b
  PENDING
  GUARD 2f
  pushl $0x202
  pushl $CODE0
  pushl $1f
  iretl
1: nop
2:
  cli
  TIMER_AT "IRET has no shadow", 1b
  PENDING
  GUARD 2f
  pushl $1f
  sti
  ret
1: nop
2:
  cli
  TIMER_AT "STI; RET", 1b
  PENDING
  GUARD 2f
  sti
  jmp 1f
  nop
1: nop
2:
  cli
  TIMER_AT "STI; JMP", 1b
  PENDING
  GUARD 2f
  sti
  hlt
1: nop
2:
  cli
  TIMER_AT "STI; HLT with a request", 1b
  /* A request that comes while halted. */
  ONE_SHOT 2000
  GUARD 2f
  sti
  hlt
1: nop
2:
  cli
  TIMER_AT "HLT is left by an interrupt", 1b
  PENDING
  GUARD 2f
  cli
  nop
  nop
2:
  TRAPPED "CLI", NONE, NONE, 0
  GUARD 2f
  sti
  ud2
2:
  cli
  TRAPPED "STI, then a fault: the fault comes first", 6, NONE, 2b - 2
  GUARD 2f
  sti
  nop
1:
2:
  cli
  TIMER_AT "the request has waited", 1b

/* Masked at the controller. */
  PENDING
  movb $ALL_MASKED, %al
  outb %al, $0x21
  GUARD 2f
  sti
  nop
  nop
2:
  cli
  TRAPPED "masked", NONE, NONE, 0
  movb $0xFE, %al
  GUARD 2f
  sti
  nop
  outb %al, $0x21
  movl $10000, %ecx
1: loop 1b
2:
  cli
  pushl trap_vector
  movl $NONE, trap_vector
  movl $NONE, trap_error
  popl %ebx
  CHECK "unmasked", %ebx, $TIMER
  EOI

/* Ring 3. */
  PENDING
  movl $0x202, user_flags
  GUARD 2f
  ENTER3 1f
1: nop
  nop
  int $LEAVE
2:
  cli
  CHECK "from ring 3: CS", trap_cs, $CODE3
  CHECK "from ring 3: handler's SS", handler_ss, $DATA0
  TIMER_AT "from ring 3", 1b
  /* CLI is not for ring 3: spinning there does not stop the clock. */
  ONE_SHOT 200
  GUARD 2f
  ENTER3 1f
1: jmp 1b
2:
  cli
  TIMER_AT "loop in ring 3 is interrupted", 1b
  movl $2, user_flags
  ONE_SHOT 200
  GUARD 2f
  sti
1: jmp 1b
2:
  cli
  TIMER_AT "loop in ring 0 is interrupted", 1b
  movl $100000000, %ecx
  ONE_SHOT 200
  GUARD 2f
  sti
1: loop 1b
2:
  cli
  TIMER_AT "LOOP is interrupted", 1b

/* Gates. */
  PENDING
  IDT_GATE TIMER, trap, 0x0E
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  IDT_DEFAULT TIMER
  TRAPPED "gate not present: error code with EXT", 11, TIMER * 8 + 3, 1b
  /* The controller has been told already. */
  READ_PIC "it is in service nevertheless", 0x0B, 0xFF, 1
  EOI
  IDT_GATE TIMER, counting_handler
  movl $0, counter
  PENDING
  sti
  nop
  cli
  CHECK "a handler that returns", counter, $1
  CHECK_BITS "IF is clear in it", seen_flags, 0x200, 0
  PENDING
  IDT_GATE TIMER, counting_handler, 0x8F
  sti
  nop
  cli
  CHECK_BITS "IF stays set through a trap gate", seen_flags, 0x200, 0x200
  IDT_GATE TIMER, counting_handler

/* A repeated string instruction is interrupted and goes on. */
  movl $0x200000, %edi
  movl $0x100000, %ecx
  movl $0x5A5A5A5A, %eax
  cld
  rep stosl
  movl $0, counter
  movl $0, seen_eip
  ONE_SHOT 100
  movl $0x200000, %edi
  movl $0x800000, %ecx
  movb $0xA5, %al
  sti
  nop
string:
  rep stosb
  cli
  CHECK "REP STOSB was interrupted once", counter, $1
  CHECK "in the middle", seen_eip, $string
  CHECK "it went on: EDI", %edi, $0xA00000
  CHECK "it went on: ECX", %ecx, $0
  movl $0x200000, %edi
  movl $0x800000, %ecx
  movb $0xA5, %al
  repe scasb
  CHECK "it went on: memory", %ecx, $0

/* A running timer: mode 2, about 1000 Hz. */
  movl $0, counter
  movb $0x34, %al
  outb %al, $0x43
  movb $0xA9, %al
  outb %al, $0x40
  movb $0x04, %al
  outb %al, $0x40
  sti
1:
  hlt
  cmpl $10, counter
  jb 1b
  cli
  CHECK "ten ticks", counter, $10
  movb $ALL_MASKED, %al
  outb %al, $0x21

/* Service and priority. */
  ONE_SHOT 0xFFFF
  EOI
  movb $0xFE, %al
  outb %al, $0x21
  IDT_DEFAULT TIMER
  PENDING
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  TRAPPED "in service", TIMER, NONE, 1b
  READ_PIC "in-service register", 0x0B, 0xFF, 1
  PENDING
  GUARD 2f
  sti
  nop
  nop
2:
  cli
  TRAPPED "the same level waits for the EOI", NONE, NONE, 0
  EOI
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  TIMER_AT "after the EOI it comes", 1b
  /* Specific EOI. */
  PENDING
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  TRAPPED "once more", TIMER, NONE, 1b
  movb $0x61, %al
  outb %al, $0x20
  READ_PIC "specific EOI of another level", 0x0B, 0xFF, 1
  movb $0x60, %al
  outb %al, $0x20
  READ_PIC "specific EOI", 0x0B, 0xFF, 0
  /* Polling: OCW3 with P, then the level. */
  PENDING
  movb $0x0C, %al
  outb %al, $0x20
  inb $0x20, %al
  movzbl %al, %ebx
  CHECK "poll", %ebx, $0x80
  READ_PIC "poll acknowledges", 0x0B, 0xFF, 1
  EOI
  /* Automatic EOI. */
  ONE_SHOT 0xFFFF
  MASTER_8259 0x20, mode=3
  PENDING
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  TRAPPED "automatic EOI", TIMER, NONE, 1b
  READ_PIC "nothing stays in service", 0x0B, 0xFF, 0
  /* Another base. */
  ONE_SHOT 0xFFFF
  MASTER_8259 0x70
  PENDING
  GUARD 2f
  sti
  nop
1: nop
2:
  cli
  TRAPPED "another vector base", 0x70, NONE, 1b
  EOI
  movb $ALL_MASKED, %al
  outb %al, $0x21

/* The slave: the real-time clock's periodic interrupt is IRQ 8. */
  movb $0x8B, %al
  outb %al, $0x70
  movb $0x42, %al
  outb %al, $0x71
  movb $0x8A, %al
  outb %al, $0x70
  movb $0x26, %al
  outb %al, $0x71
  movb $0x8C, %al
  outb %al, $0x70
  inb $0x71, %al
  movb $0xFB, %al
  outb %al, $0x21
  movb $0xFE, %al
  outb %al, $0xA1
  GUARD 2f
  sti
  hlt
1: nop
2:
  cli
  TRAPPED "IRQ 8 through the slave", 0x28, NONE, 1b
  READ_PIC "cascade in service", 0x0B, 0xFF, 4
  movb $0x20, %al
  outb %al, $0xA0
  outb %al, $0x20
  movb $0x8C, %al
  outb %al, $0x70
  inb $0x71, %al
  movzbl %al, %ebx
  movb $0x8C, %al
  outb %al, $0x70
  inb $0x71, %al
  movzbl %al, %edx
  CHECK_BITS "clock's register C says why", %ebx, 0xC0, 0xC0
  CHECK_BITS "and is cleared by reading", %edx, 0xF0, 0
  movb $0x0B, %al
  outb %al, $0x70
  movb $0x02, %al
  outb %al, $0x71
  movb $ALL_MASKED, %al
  outb %al, $0x21
  outb %al, $0xA1

/* With CR0.NE clear, an x87 error is IRQ 13 and waits for port F0h. */
  movb $0xFB, %al
  outb %al, $0x21
  movb $0xDF, %al
  outb %al, $0xA1
  movl %cr0, %eax
  andl $~0x2E, %eax
  movl %eax, %cr0
  fninit
  movl $0x037B, scratch
  fldcw scratch
  fld1
  fldz
  sti
  GUARD 2f
  fdivrp %st, %st(1)
  fwait
  movl $100000, %ecx
1: loop 1b
2:
  cli
  pushl trap_vector
  movl $NONE, trap_vector
  movl $NONE, trap_error
  popl %ebx
  CHECK "x87 error as IRQ 13", %ebx, $0x2D
  movb $0, %al
  outb %al, $0xF0
  fnclex
  movb $0x20, %al
  outb %al, $0xA0
  outb %al, $0x20
  GUARD 2f
  sti
  movl $1000, %ecx
1: loop 1b
2:
  cli
  TRAPPED "cleared by port F0h and FNCLEX", NONE, NONE, 0
  fninit
  movl %cr0, %eax
  orl $0x20, %eax
  movl %eax, %cr0
  movb $ALL_MASKED, %al
  outb %al, $0x21
  outb %al, $0xA1

/* Counter 2 and port 61h. */
  inb $0x61, %al
  andb $0xFC, %al
  outb %al, $0x61
  movb $0xB0, %al
  outb %al, $0x43
  movb $100, %al
  outb %al, $0x42
  movb $0, %al
  outb %al, $0x42
  inb $0x61, %al
  movzbl %al, %ebx
  CHECK_BITS "counter 2: output low", %ebx, 0x20, 0
  movb $0x80, %al
  outb %al, $0x43
  inb $0x42, %al
  movb %al, %bl
  inb $0x42, %al
  movb %al, %bh
  movzwl %bx, %ebx
  movl $10000, %ecx
1:
  inb $0x61, %al
  loop 1b
  movb $0x80, %al
  outb %al, $0x43
  inb $0x42, %al
  movb %al, %dl
  inb $0x42, %al
  movb %al, %dh
  movzwl %dx, %edx
  CHECK "counter 2 stands without its gate", %ebx, %edx
  inb $0x61, %al
  orb $1, %al
  outb %al, $0x61
  movl $1000000, %ecx
1:
  inb $0x61, %al
  testb $0x20, %al
  loopz 1b
  movzbl %al, %ebx
  CHECK_BITS "counter 2 counts with its gate", %ebx, 0x20, 0x20
  /* Status by read-back: output, mode, access. */
  movb $0xE8, %al
  outb %al, $0x43
  inb $0x42, %al
  movzbl %al, %ebx
  CHECK_BITS "read-back status", %ebx, 0xBF, 0xB0
  /* Mode 3 with a latched count that falls. */
  movb $0xB6, %al
  outb %al, $0x43
  movb $0, %al
  outb %al, $0x42
  outb %al, $0x42
  movb $0xE8, %al
  outb %al, $0x43
  inb $0x42, %al
  movzbl %al, %ebx
  CHECK_BITS "mode 3 in the status", %ebx, 0x3F, 0x36
FINISH

await_request:
  movb $0x0A, %al
  outb %al, $0x20
  movl $1000000, %ecx
1:
  inb $0x20, %al
  testb $1, %al
  loopz 1b
  ret

counting_handler:
  incl counter
  pushl %eax
  movl 4(%esp), %eax
  movl %eax, seen_eip
  pushfl
  popl seen_flags
  EOI
  popl %eax
  iretl

.bss
.balign 4
scratch: .skip 4
counter: .skip 4
seen_eip: .skip 4
seen_flags: .skip 4
