/* Call, interrupt and trap gates, far returns and IRET between rings. SDM vol. 3 chapters 5.8 and 6.12. */
#include "test.h"

#define S(n) (SCRATCH + 8 * (n))
#define CALLGATE 0x8C
#define CALLGATE3 0xEC

TESTS
/* Far calls without a gate. */
  movl %esp, %ebp
  lcall $CODE0, $direct
after_direct:
  CHECK "far CALL and RET: ESP", %esp, %ebp
  CHECK "far CALL pushes CS", seen_cs, $CODE0
  CHECK "far CALL pushes EIP", seen_eip, $after_direct

/* Call gate without a change of ring: the offset of the instruction is ignored. */
  GATE S(0), CODE0, same_ring, CALLGATE, 2
  pushl $0x1111
  pushl $0x2222
  movl %esp, %ebp
  lcall $S(0), $0x99999999
  CHECK "same ring: ESP", %esp, %ebp
  CHECK "same ring: no parameter is copied", seen_parameter, $0x2222
  addl $8, %esp
  /* JMP through it. */
  movl $1f, %ebx
  GATE S(0), CODE0, jump_target, CALLGATE
  ljmp $S(0), $0
1:
  CHECK "JMP through a call gate", seen_cs, $CODE0

/* Ring 3 to ring 0 with parameters. */
  GATE S(0), CODE0, ring0_entry, CALLGATE3, 3
  movl $0x20000, tss_esp0
  GUARD 2f
  ENTER3 1f
1:
  pushl $0x33333333
  pushl $0x22222222
  pushl $0x11111111
  movl $0x5A5A, %ebx
  lcall $S(0) + 3, $0
3:
  int $LEAVE
2:
  TRAPPED "ring 3 to 0 and back", LEAVE, NONE, 3b + 2
  CHECK "inner CS", seen_cs, $CODE0
  CHECK "inner SS", seen_ss, $DATA0
  CHECK "inner ESP", seen_esp, $0x20000 - 28
  CHECK "frame: EIP", frame_copy, $3b
  CHECK "frame: CS", frame_copy + 4, $CODE3
  CHECK "frame: first parameter", frame_copy + 8, $0x11111111
  CHECK "frame: second parameter", frame_copy + 12, $0x22222222
  CHECK "frame: third parameter", frame_copy + 16, $0x33333333
  CHECK "frame: ESP", frame_copy + 20, $RING3_STACK - 12
  CHECK "frame: SS", frame_copy + 24, $DATA3
  CHECK "RET 12 releases both stacks", trap_esp, $RING3_STACK
  CHECK "EBX", trap_ebx, $0x5A5A
  CHECK "flags are kept", seen_flags, trap_eflags

/* 16-bit gate to 16-bit parameters. */
  GATE S(1), CODE0, ring0_entry16, 0xE4, 2
  GUARD 2f
  ENTER3 1f
1:
  pushw $0x4444
  pushw $0x5555
  lcall $S(1), $0
3:
  int $LEAVE
2:
  TRAPPED "16-bit call gate", LEAVE, NONE, 3b + 2
  CHECK "16-bit frame: IP, CS", frame_copy, $3b + (CODE3 << 16)
  CHECK "16-bit frame: parameters", frame_copy + 4, $0x44445555
  CHECK "16-bit frame: SP, SS", frame_copy + 8, $(((RING3_STACK - 4) & 0xFFFF) | (DATA3 << 16))
  CHECK "16-bit gate: inner ESP", seen_esp, $0x20000 - 12

/* To conforming code: no change of ring, no stack switch. */
  DESCRIPTOR S(2), 0, 0xFFFFF, 0x9F, FLAGS32
  GATE S(3), S(2), conforming, CALLGATE3, 3
  GUARD 2f
  ENTER3 1f
1:
  lcall $S(3), $0
3:
  int $LEAVE
2:
  TRAPPED "call gate to conforming code", LEAVE, NONE, 3b + 2
  CHECK "it runs in ring 3", seen_cs, $S(2) + 3
  CHECK "on the same stack", seen_esp, $RING3_STACK - 8

/* Faults of call gates. */
  GATE S(3), CODE0, ring0_entry, CALLGATE
  FAULTS3 "gate of DPL 0 from ring 3", 13, S(3), lcall $S(3), $0
  GATE S(3), CODE0, ring0_entry, CALLGATE3
  FAULTS3 "JMP to an inner ring", 13, CODE0, ljmp $S(3), $0
  GATE S(3), CODE0, ring0_entry, 0x6C
  FAULTS3 "gate not present", 11, S(3), lcall $S(3), $0
  GATE S(3), 0, ring0_entry, CALLGATE3
  FAULTS3 "gate to null", 13, 0, lcall $S(3), $0
  GATE S(3), DATA0, ring0_entry, CALLGATE3
  FAULTS3 "gate to data", 13, DATA0, lcall $S(3), $0
  GATE S(3), 0x400, ring0_entry, CALLGATE3
  FAULTS3 "gate beyond the GDT", 13, 0x400, lcall $S(3), $0
  DESCRIPTOR S(4), 0, 0xFFFFF, 0x1B, FLAGS32
  GATE S(3), S(4), ring0_entry, CALLGATE3
  FAULTS3 "gate to code not present", 11, S(4), lcall $S(3), $0
  GATE S(3), CODE3, ring0_entry, CALLGATE
  FAULTS "gate to an outer ring", 13, CODE3 - 3, lcall $S(3), $0
  GATE S(3), CODE0, ring0_entry, CALLGATE
  FAULTS "gate with RPL above DPL", 13, S(3), lcall $S(3) + 3, $0
  DESCRIPTOR S(4), 0, 0xFFFF, 0x9B, FLAGS32_BYTE
  GATE S(3), S(4), 0, CALLGATE3
  movw $1, gdt + S(3) + 6
  FAULTS3 "gate past the limit of the code", 13, 0, lcall $S(3), $0
  CHECK "its ESP", trap_esp, $RING3_STACK

/* Faults of the stack in the TSS. The handler needs that stack itself, so it is a gate to ring 1 that fails. */
  DESCRIPTOR S(4), 0, 0xFFFFF, 0xBB, FLAGS32
  GATE S(3), S(4), ring0_entry, CALLGATE3
  movl $0, tss + 16
  FAULTS3 "null stack in the TSS", 10, 0, lcall $S(3), $0
  movl $DATA0, tss + 16
  FAULTS3 "stack of another DPL in the TSS", 10, DATA0, lcall $S(3), $0
  DESCRIPTOR S(5), 0, 0xFFFFF, 0xB3, FLAGS32
  movl $S(5), tss + 16
  FAULTS3 "stack with another RPL in the TSS", 10, S(5), lcall $S(3), $0
  DESCRIPTOR S(5), 0, 0xFFFFF, 0x33, FLAGS32
  movl $S(5) + 1, tss + 16
  FAULTS3 "stack not present in the TSS", 12, S(5), lcall $S(3), $0
  DESCRIPTOR S(5), 0, 0xFFFFF, 0xB1, FLAGS32
  FAULTS3 "read-only stack in the TSS", 10, S(5), lcall $S(3), $0
  movl $0x400 + 1, tss + 16
  FAULTS3 "stack beyond the GDT", 10, 0x400, lcall $S(3), $0
  DESCRIPTOR S(5), 0, 0xFFF, 0xB3, FLAGS32_BYTE
  movl $S(5) + 1, tss + 16
  movl $8, tss + 12
  FAULTS3 "no room on the inner stack", 12, S(5), lcall $S(3), $0
  movl $0x1004, tss + 12
  FAULTS3 "inner stack past its limit", 12, S(5), lcall $S(3), $0
  /* And one that works: ring 1. */
  GATE S(3), S(4), ring1_entry, CALLGATE3
  movl $0x800, tss + 12
  DESCRIPTOR S(5), 0, 0xFFF, 0xB3, FLAGS32_BYTE
  GUARD 2f
  ENTER3 1f
1:
  lcall $S(3), $0
3:
  int $LEAVE
2:
  TRAPPED "call gate to ring 1", LEAVE, NONE, 3b + 2
  CHECK "ring 1: CS", seen_cs, $S(4) + 1
  CHECK "ring 1: SS", seen_ss, $S(5) + 1
  CHECK "ring 1: ESP", seen_esp, $0x800 - 16

/* Far returns. */
.macro FAR_RETURN name, vector, error, cs, eip, ss=DATA3, esp=RING3_STACK, code:vararg
  movl %esp, %ebp
  pushl $\ss
  pushl $\esp
  pushl $\cs
  pushl $\eip
  movl %esp, %ebx
  FAULTS "\name", \vector, \error, \code
  CHECK "\name: ESP", trap_esp, %ebx
  movl %ebp, %esp
.endm
  DESCRIPTOR S(6), 0, 0xFFFFF, 0x1B, FLAGS32
  FAR_RETURN "RET to null", 13, 0, 0, tests, , , lretl
  FAR_RETURN "RET to data", 13, DATA0, DATA0, tests, , , lretl
  FAR_RETURN "RET to code not present", 11, S(6), S(6), tests, , , lretl
  FAR_RETURN "RET to ring 3 code with RPL 0", 13, CODE3 - 3, CODE3 - 3, tests, , , lretl
  FAR_RETURN "RET to ring 3: null SS", 13, 0, CODE3, tests, 0, , lretl
  FAR_RETURN "RET to ring 3: SS of DPL 0", 13, DATA0, CODE3, tests, DATA0 + 3, , lretl
  FAR_RETURN "RET to ring 3: SS with RPL 0", 13, DATA3 - 3, CODE3, tests, DATA3 - 3, , lretl
  FAR_RETURN "RET to ring 3: code in SS", 13, CODE3 - 3, CODE3, tests, CODE3, , lretl
  DESCRIPTOR S(6), 0, 0xFFFFF, 0x73, FLAGS32
  FAR_RETURN "RET to ring 3: SS not present", 12, S(6), CODE3, tests, S(6) + 3, , lretl
  DESCRIPTOR S(6), 0, 0xFFF, 0xFB, FLAGS32_BYTE
  FAR_RETURN "RET past the limit of the code", 13, 0, S(6) + 3, tests, , , lretl
  GUARD 2f
  ENTER3 1f
1:
  pushl $CODE0
  pushl $tests
3:
  lretl
2:
  TRAPPED "RET to an inner ring", 13, CODE0, 3b
  CHECK "RET to an inner ring: ESP", trap_esp, $RING3_STACK - 8
  GUARD 2f
  pushl $DATA3
  pushl $RING3_STACK
  pushl $0xAAAA
  pushl $0xBBBB
  pushl $CODE3
  pushl $1f
  lretl $8
1:
  int $LEAVE
2:
  TRAPPED "RET n to ring 3", LEAVE, NONE, 2b
  CHECK "RET n to ring 3: ESP", trap_esp, $RING3_STACK + 8
  CHECK "RET n to ring 3: SS", trap_ss, $DATA3
  /* Segments of inner rings become null, of outer ones stay. */
  movw $DATA0, %ax
  movw %ax, %es
  movw %ax, %fs
  movw $DATA3, %ax
  movw %ax, %gs
  GUARD 2f
  pushl $DATA3
  pushl $RING3_STACK
  pushl $CODE3
  pushl $1f
  lretl
1:
  int $LEAVE
2:
  TRAPPED "RET to ring 3", LEAVE, NONE, 2b
  CHECK "RET empties ES", trap_es, $0
  CHECK "RET empties FS", trap_fs, $0
  CHECK "RET leaves GS", trap_gs, $DATA3
  movw $DATA0, %ax
  movw %ax, %ds
  movw %ax, %es

/* IRET. */
.macro IRET_FAULTS name, vector, error, cs, eip, ss=DATA3
  movl %esp, %ebp
  pushl $\ss
  pushl $RING3_STACK
  pushl $2
  pushl $\cs
  pushl $\eip
  movl %esp, %ebx
  FAULTS "\name", \vector, \error, iretl
  CHECK "\name: ESP", trap_esp, %ebx
  movl %ebp, %esp
.endm
  IRET_FAULTS "IRET to null", 13, 0, 0, tests
  IRET_FAULTS "IRET to data", 13, DATA0, DATA0, tests
  IRET_FAULTS "IRET beyond the GDT", 13, 0x400, 0x400, tests
  IRET_FAULTS "IRET past the limit", 13, 0, S(6) + 3, tests
  IRET_FAULTS "IRET to ring 3: null SS", 13, 0, CODE3, tests, 0
  IRET_FAULTS "IRET to ring 3: SS of DPL 0", 13, DATA0, CODE3, tests, DATA0 + 3
  DESCRIPTOR S(6), 0, 0xFFFFF, 0x73, FLAGS32
  IRET_FAULTS "IRET to ring 3: SS not present", 12, S(6), CODE3, tests, S(6) + 3
  /* Which flags IRET may change in ring 3. */
  movl $2, user_flags
  GUARD 2f
  ENTER3 1f
1:
  pushl $0x003F7FD7 & ~0x24100
  pushl $CODE3
  pushl $3f
  iretl
3:
  nop
  int $LEAVE
2:
  TRAPPED "IRET in ring 3", LEAVE, NONE, 2b
  CHECK "IRET in ring 3 keeps IF and IOPL", trap_eflags, $0x00240CD7
  movl $0x3002, user_flags
  GUARD 2f
  ENTER3 1f
1:
  pushl $0x202
  pushl $CODE3
  pushl $3f
  iretl
3:
  int $LEAVE
2:
  TRAPPED "IRET in ring 3 with IOPL 3", LEAVE, NONE, 2b
  CHECK "it changes IF, not IOPL", trap_eflags, $0x3202
  movl $2, user_flags
  /* A 16-bit IRET keeps the upper half of EFLAGS. */
  pushl $0x00040002
  popfl
  pushw $2
  pushw $CODE0
  pushw $1f
  iretw
1:
  pushfl
  popl %ebx
  CHECK "IRETW keeps AC", %ebx, $0x00040002
  pushl $2
  popfl

/* Interrupt and trap gates. */
  IDT_GATE 0x50, int_handler
  pushl $0x00004302 & ~0x100
  popfl
  movl %esp, %ebp
  int $0x50
1:
  CHECK "INT through an interrupt gate: ESP", %esp, %ebp
  CHECK "INT: pushed EIP", frame_copy, $1b
  CHECK "INT: pushed CS", frame_copy + 4, $CODE0
  CHECK "INT: pushed EFLAGS", frame_copy + 8, $0x4202
  CHECK "interrupt gate clears IF and NT", seen_flags, $2
  pushfl
  popl %ebx
  CHECK "IRET restores them", %ebx, $0x202
  cli
  IDT_GATE 0x50, int_handler, 0x8F
  sti
  nop
  int $0x50
  cli
  CHECK "trap gate keeps IF", seen_flags, $0x202
  IDT_GATE 0x50, int_handler16, 0x86
  sti
  nop
  int $0x50
1:
  cli
  CHECK "16-bit gate: IP, CS", frame_copy, $1b + (CODE0 << 16)
  CHECK_BITS "16-bit gate: flags", frame_copy + 4, 0xFFFF, 0x202
  CHECK_BITS "16-bit gate clears IF", seen_flags, 0xFFFF, 2
  IDT_GATE 0x50, int_handler
  FAULTS3 "INT through a gate of DPL 0", 13, 0x50 * 8 + 2, int $0x50
  FAULTS3 "INT3 through a gate of DPL 0", 13, 3 * 8 + 2, int3
  FAULTS3 "INT of a hardware vector", 13, 0x20 * 8 + 2, int $0x20
  IDT_GATE 0x50, int_handler, 0x6E
  FAULTS3 "INT through a gate not present", 11, 0x50 * 8 + 2, int $0x50
  IDT_GATE 0x50, int_handler, 0xEC
  FAULTS3 "INT through a call gate", 13, 0x50 * 8 + 2, int $0x50
  IDT_GATE 0x50, int_handler, 0xEE, 0
  FAULTS3 "INT to null", 13, 0, int $0x50
  IDT_GATE 0x50, int_handler, 0xEE, DATA0
  FAULTS3 "INT to data", 13, DATA0, int $0x50
  IDT_GATE 0x50, int_handler, 0x8E, CODE3
  FAULTS "INT to an outer ring", 13, CODE3 - 3, int $0x50
  IDT_GATE 0x50, int_handler, 0xEE, S(2)
  /* S(2) is conforming: the handler stays in ring 3. */
  IDT_GATE 0x50, conforming_int, 0xEE, S(2)
  GUARD 2f
  ENTER3 1f
1:
  int $0x50
3:
  int $LEAVE
2:
  TRAPPED "INT to conforming code", LEAVE, NONE, 3b + 2
  CHECK "it runs in ring 3", seen_cs, $S(2) + 3
  movw $0x27F, FREE_MEMORY
  movl $idt, FREE_MEMORY + 2
  lidtl FREE_MEMORY
  FAULTS "INT beyond the IDT", 13, 0x50 * 8 + 2, int $0x50
  lidtl idt_pointer
  /* Software INT with the number of an exception pushes no error code. */
  IDT_GATE 13, int_handler, 0xEE
  movl %esp, %ebp
  int $13
1:
  CHECK "INT 13 has no error code", frame_copy, $1b
  CHECK "INT 13: ESP", %esp, %ebp
  IDT_DEFAULT 13
  /* INT3 and INTO point behind themselves. */
  GUARD 2f
1: int3
2:
  TRAPPED "INT3", 3, NONE, 1b + 1
  GUARD 2f
  movb $0x7F, %al
  addb $1, %al
1: into
2:
  TRAPPED "INTO with OF", 4, NONE, 1b + 1
  movb $1, %al
  addb $1, %al
  RUNS "INTO without OF", into
  movb $0xEE, idt + 3 * 8 + 5
  GUARD 2f
  ENTER3 1f
1: int3
2:
  TRAPPED "INT3 in ring 3", 3, NONE, 2b
  CHECK "its CS", trap_cs, $CODE3
  CHECK "its SS", trap_ss, $DATA3
  CHECK "its ESP", trap_esp, $RING3_STACK
  CHECK "the handler's SS", handler_ss, $DATA0
  IDT_DEFAULT 3

/* Interrupt from ring 3: segments are kept. */
  movw $0, %ax
  movw %ax, %fs
  RUNS3 "interrupt from ring 3", nop
  CHECK "DS is kept", trap_ds, $DATA3
  CHECK "ES is kept", trap_es, $DATA3
  FINISH

direct:
  popl seen_eip
  popl seen_cs
  pushl seen_cs
  pushl seen_eip
  lretl

same_ring:
  movl 8(%esp), %eax
  movl %eax, seen_parameter
  lretl

jump_target:
  movl %cs, %eax
  movl %eax, seen_cs
  jmp *%ebx

ring0_entry:
  pushfl
  popl %ss:seen_flags
  movl %cs, %eax
  movl %eax, %ss:seen_cs
  movl %ss, %eax
  movl %eax, %ss:seen_ss
  movl %esp, %ss:seen_esp
  movl $7, %ecx
  movl %esp, %esi
  movl $frame_copy, %edi
  cld
  rep movsl
  lretl $12

ring1_entry:
  movl %cs, %eax
  movl %eax, %ds:seen_cs
  movl %ss, %eax
  movl %eax, %ds:seen_ss
  movl %esp, %ds:seen_esp
  lretl

ring0_entry16:
  movl %esp, %ss:seen_esp
  movl $3, %ecx
  movl %esp, %esi
  movl $frame_copy, %edi
  cld
  rep movsl
  lretw $4

conforming:
  movl %cs, %eax
  movl %eax, seen_cs
  movl %esp, seen_esp
  lretl

conforming_int:
  movl %cs, %eax
  movl %eax, seen_cs
  iretl

int_handler:
  pushfl
  popl seen_flags
  popl frame_copy
  popl frame_copy + 4
  popl frame_copy + 8
  pushl frame_copy + 8
  andl $~0x4000, (%esp)
  pushl frame_copy + 4
  pushl frame_copy
  iretl

int_handler16:
  pushfl
  popl seen_flags
  popl frame_copy
  popw frame_copy + 4
  pushw frame_copy + 4
  pushl frame_copy
  iretw

.bss
.balign 4
seen_cs: .skip 4
seen_ss: .skip 4
seen_eip: .skip 4
seen_esp: .skip 4
seen_flags: .skip 4
seen_parameter: .skip 4
frame_copy: .skip 28
