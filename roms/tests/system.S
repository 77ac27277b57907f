/* SYSENTER and SYSEXIT, CPUID, MSRs, time-stamp counter, flags. SDM vol. 2 and vol. 3 chapter 5.8.7. */
#include "test.h"

#define S(n) (SCRATCH + 8 * (n))
#define SYSENTER_CS 0x174
#define SYSENTER_ESP 0x175
#define SYSENTER_EIP 0x176

.macro WRITE_MSR number, low, high=0
  movl $\number, %ecx
  movl $(\low), %eax
  movl $(\high), %edx
  wrmsr
.endm

TESTS
/* CPUID. */
  pushfl
  popl %eax
  xorl $0x200000, %eax
  pushl %eax
  popfl
  pushfl
  popl %ebx
  xorl %eax, %ebx
  CHECK_BITS "ID can be changed", %ebx, 0x200000, 0
  pushl $2
  popfl
  xorl %eax, %eax
  cpuid
  testl %eax, %eax
  setnz %al
  movzbl %al, %eax
  CHECK "CPUID has leaf 1", %eax, $1
  movl $1, %eax
  cpuid
  movl %edx, features
  /* FPU, DE, PSE, TSC, MSR, PAE, CX8, SEP, PGE, CMOV, MMX, FXSR, SSE */
  CHECK_BITS "features", %edx, 0x0380A97D, 0x0380A97D
  pushl %eax
  shrl $8, %eax
  andl $15, %eax
  CHECK "family 6", %eax, $6
  popl %eax
  movl $1, %eax
  movl $0xFFFFFFFF, %ecx
  cpuid
  movl %edx, %edi
  movl $1, %eax
  xorl %ecx, %ecx
  cpuid
  CHECK "leaf 1 does not depend on ECX", %edi, %edx

/* Flags. */
  pushl $0xFFFFFFFF & ~0x34F00
  popfl
  pushfl
  popl %ebx
  pushl $2
  popfl
  CHECK_BITS "reserved bits of EFLAGS", %ebx, 0xFFC0802A, 2
  pushl $0
  popfl
  pushfl
  popl %ebx
  CHECK "bit 1 is always set", %ebx, $2
  pushl $0x10002
  popfl
  pushfl
  popl %ebx
  CHECK "PUSHF does not store RF", %ebx, $2
  movb $0xFF, %ah
  sahf
  pushfl
  popl %ebx
  CHECK_BITS "SAHF", %ebx, 0x8FF, 0xD7
  lahf
  CHECK_BITS "LAHF", %eax, 0xFF00, 0xD700
  movb $0, %ah
  sahf
  movl $0x3002, user_flags
  GUARD 2f
  ENTER3 1f
1:
  pushl $0x2
  popfl
  pushfl
  popl %ebx
  int $LEAVE
2:
  TRAPPED "POPF in ring 3 with IOPL 3", LEAVE, NONE, 2b
  CHECK "it leaves IOPL", %ebx, $0x3002
  movl $0x202, user_flags
  GUARD 2f
  ENTER3 1f
1:
  pushl $0x3002
  popfl
  pushfl
  popl %ebx
  int $LEAVE
2:
  TRAPPED "POPF in ring 3 with IOPL 0", LEAVE, NONE, 2b
  CHECK "it leaves IF and IOPL", %ebx, $0x202
  movl $2, user_flags

/* MSRs. */
  movl $0x12345678, %ecx
  FAULTS "RDMSR of an unknown register", 13, 0, rdmsr
  movl $0, %eax
  movl $0, %edx
  FAULTS "WRMSR of an unknown register", 13, 0, wrmsr
  FAULTS3 "RDMSR in ring 3", 13, 0, rdmsr
  WRITE_MSR SYSENTER_CS, CODE0
  WRITE_MSR SYSENTER_ESP, RING0_STACK
  WRITE_MSR SYSENTER_EIP, sysenter_entry
  movl $SYSENTER_ESP, %ecx
  rdmsr
  CHECK "SYSENTER_ESP reads back", %eax, $RING0_STACK
  CHECK "its upper half", %edx, $0

/* SYSENTER and SYSEXIT: CS, CS + 8 and, for ring 3, CS + 16, CS + 24. */
  movl $0, seen_cs
  GUARD 2f
  movl $0x202, user_flags
  ENTER3 1f
1:
  movl $3f, %edx
  movl %esp, %ecx
  movl $0x1111, %ebx
  sysenter
3:
  int $LEAVE
2:
  TRAPPED "SYSENTER and SYSEXIT", LEAVE, NONE, 2b
  CHECK "ring 0: CS", seen_cs, $CODE0
  CHECK "ring 0: SS", seen_ss, $DATA0
  CHECK "ring 0: ESP", seen_esp, $RING0_STACK
  CHECK_BITS "ring 0: IF is clear", seen_flags, 0x20200, 0
  CHECK "ring 3 again: CS", trap_cs, $CODE3
  CHECK "ring 3 again: SS", trap_ss, $DATA3
  CHECK "ring 3 again: ESP", trap_esp, $RING3_STACK
  CHECK "EBX", trap_ebx, $0x1111
  movl $2, user_flags
  /* The segments are flat whatever the table says. */
  DESCRIPTOR S(0), 0x1000, 0xFFF, 0x93, FLAGS32_BYTE
  WRITE_MSR SYSENTER_CS, S(1)
  DESCRIPTOR S(1), 0x1000, 0xFFF, 0x9B, FLAGS32_BYTE
  DESCRIPTOR S(2), 0x1000, 0xFFF, 0x93, FLAGS32_BYTE
  DESCRIPTOR S(3), 0, 0xFFFFF, 0xFB, FLAGS32
  DESCRIPTOR S(4), 0, 0xFFFFF, 0xF3, FLAGS32
  GUARD 2f
  ENTER3 1f
1:
  movl $3f, %edx
  movl %esp, %ecx
  sysenter
3:
  int $LEAVE
2:
  TRAPPED "SYSENTER does not read the table", LEAVE, NONE, 2b
  CHECK "ring 0: CS", seen_cs, $S(1)
  CHECK "ring 3: CS", trap_cs, $S(3) + 3
  CHECK "ring 3: SS", trap_ss, $S(4) + 3
  FAULTS3 "SYSEXIT in ring 3", 13, 0, sysexit
  WRITE_MSR SYSENTER_CS, 0
  FAULTS3 "SYSENTER without a segment", 13, 0, sysenter
  FAULTS "SYSEXIT without a segment", 13, 0, sysexit

/* The time-stamp counter. */
  rdtsc
  movl %eax, %ebx
  movl %edx, %esi
  movl $100, %ecx
1: loop 1b
  rdtsc
  subl %ebx, %eax
  sbbl %esi, %edx
  CHECK "it does not run away", %edx, $0
  cmpl $100, %eax
  setae %al
  movzbl %al, %ebx
  CHECK "it counts", %ebx, $1
  RUNS3 "RDTSC in ring 3", rdtsc
  movl %cr4, %eax
  orl $4, %eax
  movl %eax, %cr4
  FAULTS3 "RDTSC in ring 3 with CR4.TSD", 13, 0, rdtsc
  RUNS "RDTSC in ring 0 with CR4.TSD", rdtsc
  movl %cr4, %eax
  andl $~4, %eax
  movl %eax, %cr4
  WRITE_MSR 0x10, 0, 0
  rdtsc
  CHECK "it can be set", %edx, $0
  cmpl $1000000, %eax
  setb %al
  movzbl %al, %ebx
  CHECK "and starts from there", %ebx, $1

/* Control registers. */
  movl %cr0, %eax
  CHECK_BITS "CR0: PE, ET", %eax, 0x80000011, 0x11
  movl $0x12345FFF, %eax
  movl %eax, %cr2
  movl %cr2, %ebx
  CHECK "CR2 can be written", %ebx, $0x12345FFF
  smswl %ebx
  CHECK_BITS "SMSW r32", %ebx, 1, 1
  movl %cr0, %eax
  andl $~0x10, %eax
  movl %eax, %cr0
  movl %cr0, %ebx
  CHECK_BITS "ET cannot be cleared", %ebx, 0x10, 0x10
  FAULTS3 "MOV to CR3 in ring 3", 13, 0, movl %eax, %cr3
  RUNS "WBINVD", wbinvd
  FAULTS3 "INVD in ring 3", 13, 0, invd
  /* MOV of control registers ignores the mod field. */
  .byte 0x0F, 0x20, 0x03
  movl %cr0, %ecx
  CHECK "MOV EBX, CR0 with mod 0", %ebx, %ecx

/* Far pointers and prefixes. */
  movl $1, %ecx
1:
  .byte 0x2E
  loop 1b
  CHECK "segment prefix on LOOP", %ecx, $0
  .byte 0x3E
  jmp 1f
  ud2
1:
  /* A 16-bit near CALL cuts EIP and pushes a word. */
  movl %esp, %ebp
  callw 1f
1:
  subl %esp, %ebp
  CHECK "16-bit CALL pushes a word", %ebp, $2
  movzwl (%esp), %ebx
  addl $2, %esp
  CHECK "16-bit CALL: IP", %ebx, $1b
  pushw $1f
  retw
1:
  PASS "16-bit RET"
FINISH

sysenter_entry:
  pushfl
  popl %ss:seen_flags
  movl %cs, %eax
  movl %eax, %ss:seen_cs
  movl %ss, %eax
  movl %eax, %ss:seen_ss
  movl %esp, %ss:seen_esp
  sysexit

.data
.balign 4
features: .long 0
seen_cs: .long 0
seen_ss: .long 0
seen_esp: .long 0
seen_flags: .long 0
.text
