/* Single-stepping, breakpoints and the debug registers. SDM vol. 3 chapter 17. */
#include "test.h"

#define BS 0x4000
#define BD 0x2000
#define TF 0x102

.macro SET_DR number, value
  movl $(\value), %eax
  movl %eax, %dr\number
.endm
.macro DR6 name, want
  movl %dr6, %eax
  CHECK_BITS "\name: DR6", %eax, 0xE00F, \want
  SET_DR 6, 0
.endm
.macro STEP name, eip
  TRAPPED "\name", 1, NONE, \eip
  DR6 "\name", BS
.endm
.macro STEP_ON
  pushl $TF
  popfl
.endm

TESTS
  SET_DR 7, 0
  SET_DR 6, 0
/* Single step. */
  GUARD 2f
  STEP_ON
1: nop
2:
  CHECK_BITS "TF in the pushed flags", trap_eflags, 0x100, 0x100
  STEP "single step", 1b + 1
  pushfl
  popl %ebx
  CHECK_BITS "TF is clear in the handler", %ebx, 0x100, 0
  GUARD 2f
  STEP_ON
  jmp 1f
  nop
1: nop
2:
  STEP "step of a jump", 1b
  GUARD 2f
  STEP_ON
  call 1f
1: nop
2:
  STEP "step of a call", 1b
  GUARD 2f
  STEP_ON
1: cpuid
3: nop
2:
  STEP "step of CPUID", 3b
  movl $FREE_MEMORY, %esi
  movl $FREE_MEMORY + 0x100, %edi
  movl $3, %ecx
  cld
  GUARD 2f
  STEP_ON
1: rep movsb
  nop
2:
  STEP "step of REP MOVSB: after one round", 1b
  CHECK "ECX after one round", %ecx, $2
  movl $1, %ecx
  GUARD 2f
  STEP_ON
  rep movsb
3: nop
2:
  STEP "step of the last round", 3b
  xorl %ecx, %ecx
  GUARD 2f
  STEP_ON
  rep movsb
3: nop
2:
  STEP "step of REP with ECX = 0", 3b
  GUARD 2f
  STEP_ON
  pushfl
3: nop
2:
  STEP "step of PUSHF", 3b
  /* A handler that returns: every instruction is stepped. */
  IDT_GATE 1, count_int
  movl $0, counter
  STEP_ON
  pushfl
  popl %ebx
  pushl $2
  popfl
  nop
  IDT_DEFAULT 1
  SET_DR 6, 0
  CHECK "steps with a handler that returns", counter, $4
  CHECK_BITS "PUSHF stores TF", %ebx, 0x100, 0x100
  GUARD 2f
  STEP_ON
  pushl $2
3: popfl
  nop
2:
  STEP "step", 3b
  GUARD 2f
  pushl $2
  STEP_ON
  popfl
3: nop
2:
  STEP "POPF that clears TF is still stepped", 3b

/* MOV SS and POP SS put it off by one instruction. */
  movw %ss, %bx
  GUARD 2f
  STEP_ON
  movw %bx, %ss
1: nop
3: nop
2:
  STEP "step of MOV SS: after the next", 3b
  pushl %ss
  GUARD 2f
  pushl %ss
  STEP_ON
  popl %ss
1: nop
3: nop
2:
  STEP "step of POP SS: after the next", 3b
  addl $4, %esp
  movw %ds, %bx
  GUARD 2f
  STEP_ON
  movw %bx, %ds
1: nop
2:
  STEP "step of MOV DS", 1b

/* Interrupts clear TF; IRET brings it back, for the next instruction. */
  IDT_GATE 0x50, count_int
  movl $0, counter
  GUARD 2f
  STEP_ON
  int $0x50
1: nop
3: nop
2:
  STEP "step over INT: after the instruction behind it", 3b
  CHECK "the handler ran", counter, $1
  GUARD 2f
  pushl $TF
  pushl $CODE0
  pushl $1f
  iretl
1: nop
3: nop
2:
  STEP "IRET that sets TF: after the next instruction", 3b
  GUARD 2f
  STEP_ON
1: ud2
2:
  CHECK_BITS "fault while stepping: TF is pushed", trap_eflags, 0x100, 0x100
  TRAPPED "fault while stepping", 6, NONE, 1b
  DR6 "fault while stepping", 0
  movl $2, user_flags
  GUARD 2f
  ENTER3 1f
1:
  STEP_ON
  nop
3: int $LEAVE
2:
  STEP "single step in ring 3", 3b
  CHECK "its CS", trap_cs, $CODE3

/* INT1. */
  GUARD 2f
1: .byte 0xF1
2:
  TRAPPED "INT1", 1, NONE, 1b + 1
  DR6 "INT1", 0
  GUARD 2f
  ENTER3 1f
1: .byte 0xF1
2:
  TRAPPED "INT1 in ring 3 asks for no privilege", 1, NONE, 1b + 1
  FAULTS3 "INT 1 in ring 3 does", 13, 1 * 8 + 2, int $1

/* The registers. */
  movl %dr6, %ebx
  CHECK "DR6 after a write of 0", %ebx, $0xFFFF0FF0
  movl %dr7, %ebx
  CHECK "DR7 after a write of 0", %ebx, $0x400
  SET_DR 0, 0x12345678
  movl %dr0, %ebx
  CHECK "DR0", %ebx, $0x12345678
  SET_DR 3, 0x87654321
  movl %dr3, %ebx
  CHECK "DR3", %ebx, $0x87654321
  movl %cr4, %eax
  andl $~8, %eax
  movl %eax, %cr4
  movl %dr4, %ebx
  CHECK "DR4 is DR6 without CR4.DE", %ebx, $0xFFFF0FF0
  movl %dr5, %ebx
  CHECK "DR5 is DR7 without CR4.DE", %ebx, $0x400
  movl %cr4, %eax
  orl $8, %eax
  movl %eax, %cr4
  FAULTS "DR4 with CR4.DE", 6, NONE, movl %dr4, %ebx
  FAULTS "DR5 with CR4.DE", 6, NONE, movl %ebx, %dr5
  FAULTS3 "MOV from DR7 in ring 3", 13, 0, movl %dr7, %ebx

/* Breakpoints on instructions: before them. */
#define L0 0x01
#define G0 0x02
#define L1 0x04
#define X(n) (0 << (16 + 4 * (n)))
#define WRITE1(n) (1 << (16 + 4 * (n)))
#define WRITE2(n) (5 << (16 + 4 * (n)))
#define WRITE4(n) (13 << (16 + 4 * (n)))
#define ACCESS1(n) (3 << (16 + 4 * (n)))
#define ACCESS4(n) (15 << (16 + 4 * (n)))
#define IO1(n) (2 << (16 + 4 * (n)))
#define IO2(n) (6 << (16 + 4 * (n)))
.macro BREAK label, control
  movl $\label, %eax
  movl %eax, %dr0
  SET_DR 7, \control
.endm
.macro HIT name, eip, bits
  SET_DR 7, 0
  TRAPPED "\name", 1, NONE, \eip
  DR6 "\name", \bits
.endm
.macro NO_HIT name
  SET_DR 7, 0
  TRAPPED "\name", NONE, NONE, 0
  SET_DR 6, 0
.endm
  BREAK 1f, L0
  movl $5, %ebx
  GUARD 2f
1: incl %ebx
2:
  HIT "instruction breakpoint", 1b, 1
  CHECK "it is before the instruction", %ebx, $5
  CHECK_BITS "RF is not pushed", trap_eflags, 0x10000, 0
  BREAK 1f, G0
  GUARD 2f
1: incl %ebx
2:
  HIT "global enable", 1b, 1
  BREAK 1f, 0
  GUARD 2f
1: incl %ebx
2:
  NO_HIT "not enabled"
  BREAK 1f, L0
  GUARD 2f
  pushl $0x10002
  pushl $CODE0
  pushl $1f
  iretl
1: nop
2:
  NO_HIT "RF skips it"
  BREAK 1f, L0
  movl $2, %ecx
  GUARD 2f
  pushl $0x10002
  pushl $CODE0
  pushl $1f
  iretl
1: decl %ecx
  jnz 1b
2:
  HIT "RF skips it once", 1b, 1
  CHECK "RF skips it once: ECX", %ecx, $1
  BREAK 1f + 1, L0
  GUARD 2f
1: movl $0x90909090, %ebx
2:
  NO_HIT "not in the middle of an instruction"
  BREAK 1f, L0
  movl $3, %ecx
  GUARD 2f
1: loop 1b
2:
  HIT "breakpoint on a loop", 1b, 1
  CHECK "breakpoint on a loop: ECX", %ecx, $3

/* Breakpoints on data: after the instruction. */
  movl $0, FREE_MEMORY
  BREAK FREE_MEMORY, L0 + WRITE4(0)
  GUARD 2f
  movl $7, FREE_MEMORY
1: nop
2:
  HIT "write breakpoint", 1b, 1
  CHECK "it is after the write", FREE_MEMORY, $7
  BREAK FREE_MEMORY, L0 + WRITE4(0)
  GUARD 2f
  movl FREE_MEMORY, %ebx
2:
  NO_HIT "write breakpoint: read"
  BREAK FREE_MEMORY, L0 + ACCESS4(0)
  GUARD 2f
  movl FREE_MEMORY, %ebx
1: nop
2:
  HIT "access breakpoint: read", 1b, 1
  BREAK FREE_MEMORY, L0 + ACCESS4(0)
  GUARD 2f
  movb FREE_MEMORY + 3, %bl
1: nop
2:
  HIT "access breakpoint: last byte", 1b, 1
  BREAK FREE_MEMORY, L0 + ACCESS4(0)
  GUARD 2f
  movb FREE_MEMORY + 4, %bl
2:
  NO_HIT "access breakpoint: byte behind"
  BREAK FREE_MEMORY, L0 + ACCESS4(0)
  GUARD 2f
  movl FREE_MEMORY - 3, %ebx
1: nop
2:
  HIT "access breakpoint: dword that overlaps", 1b, 1
  BREAK FREE_MEMORY + 2, L0 + ACCESS1(0)
  GUARD 2f
  movw FREE_MEMORY, %bx
2:
  NO_HIT "byte breakpoint: word before"
  BREAK FREE_MEMORY + 2, L0 + ACCESS1(0)
  GUARD 2f
  movw FREE_MEMORY + 1, %bx
1: nop
2:
  HIT "byte breakpoint: word over it", 1b, 1
  BREAK FREE_MEMORY, L0 + WRITE2(0)
  GUARD 2f
  incb FREE_MEMORY + 1
1: nop
2:
  HIT "word breakpoint: INC", 1b, 1
  movl $STACK0 - 0x40, %ebx
  movl %ebx, %dr1
  SET_DR 7, L1 + WRITE4(1)
  GUARD 2f
  movl $STACK0 - 0x3C, %esp
  pushl $0
1: nop
2:
  HIT "PUSH on a write breakpoint", 1b, 2
  BREAK FREE_MEMORY + 8, L0 + WRITE4(0)
  movl $FREE_MEMORY, %edi
  movl $5, %ecx
  cld
  GUARD 2f
1: rep stosl
2:
  HIT "REP STOSD on a write breakpoint: after that round", 1b, 1
  CHECK "REP STOSD: ECX", %ecx, $2
  BREAK FREE_MEMORY, L0 + WRITE4(0)
  GUARD 2f
  STEP_ON
  movl $1, FREE_MEMORY
1: nop
2:
  HIT "step and breakpoint at once", 1b, BS + 1
  BREAK FREE_MEMORY, L0 + L1 + WRITE4(0) + ACCESS4(1)
  SET_DR 1, FREE_MEMORY
  GUARD 2f
  movl $1, FREE_MEMORY
1: nop
2:
  HIT "two breakpoints at once", 1b, 3

/* Breakpoints on ports. */
  BREAK 0x80, L0 + IO1(0)
  GUARD 2f
  outb %al, $0x80
1: nop
2:
  HIT "port breakpoint: OUT", 1b, 1
  BREAK 0x80, L0 + IO1(0)
  GUARD 2f
  inb $0x80, %al
1: nop
2:
  HIT "port breakpoint: IN", 1b, 1
  BREAK 0x80, L0 + IO1(0)
  GUARD 2f
  inb $0x84, %al
2:
  NO_HIT "port breakpoint: another port"
  movl %cr4, %eax
  andl $~8, %eax
  movl %eax, %cr4

/* General detect. */
  SET_DR 7, 0x2000
  GUARD 2f
1: movl %dr0, %ebx
2:
  TRAPPED "general detect", 1, NONE, 1b
  DR6 "general detect", BD
  movl %dr7, %ebx
  CHECK "GD is clear in the handler", %ebx, $0x400
FINISH

count_int:
  incl counter
  iretl

.bss
counter: .skip 4
