/* Segment loads, types, limits, privileges and accessed bits. SDM vol. 3 chapters 3 and 5. */
#include "test.h"

#define S(n) (SCRATCH + 8 * (n))
#define AREA 0x100000

TESTS
/* Null selectors. */
  movw $0, %ax
  RUNS "null in GS", movw %ax, %gs
  FAULTS "read through null GS", 13, 0, movl %gs:0x5000, %ebx
  movw $3, %ax
  RUNS "null with RPL 3 in FS", movw %ax, %fs
  FAULTS "write through null FS", 13, 0, movl %ebx, %fs:0x5000
  movw $0, %ax
  FAULTS "null in SS", 13, 0, movw %ax, %ss
  movw $3, %ax
  FAULTS "null with RPL 3 in SS", 13, 0, movw %ax, %ss

/* Selectors and descriptors that cannot be loaded. */
  movw $0x400, %ax
  FAULTS "beyond the GDT in DS", 13, 0x400, movw %ax, %ds
  movw $0x402, %ax
  FAULTS "RPL is not in the error code", 13, 0x400, movw %ax, %ds
  movw $0x400, %ax
  FAULTS "beyond the GDT in SS", 13, 0x400, movw %ax, %ss
  movw $0x44, %ax
  FAULTS "selector of an empty LDT", 13, 0x44, movw %ax, %es
  movw $S(0), %ax
  FAULTS "descriptor of zeros", 13, S(0), movw %ax, %ds
  DESCRIPTOR S(0), AREA, 0xFFF, 0x13, FLAGS32_BYTE
  FAULTS "data not present in DS", 11, S(0), movw %ax, %ds
  FAULTS "data not present in GS", 11, S(0), movw %ax, %gs
  FAULTS "data not present in SS", 12, S(0), movw %ax, %ss
  movw $TSS0, %ax
  FAULTS "TSS in DS", 13, TSS0, movw %ax, %ds
  DESCRIPTOR S(0), AREA, 0xFFF, 0x99, FLAGS32_BYTE
  movw $S(0), %ax
  FAULTS "execute-only code in DS", 13, S(0), movw %ax, %ds
  FAULTS "execute-only code in SS", 13, S(0), movw %ax, %ss
  DESCRIPTOR S(0), AREA, 0xFFF, 0x9B, FLAGS32_BYTE
  RUNS "readable code in FS", movw %ax, %fs
  movl $0x12345678, AREA + 0x10
  movl %fs:0x10, %ebx
  CHECK "read through it", %ebx, $0x12345678
  FAULTS "write through it", 13, 0, movl %ebx, %fs:0x10
  FAULTS "readable code in SS", 13, S(0), movw %ax, %ss
  DESCRIPTOR S(0), AREA, 0xFFF, 0x91, FLAGS32_BYTE
  RUNS "read-only data in FS", movw %ax, %fs
  FAULTS "write to read-only data", 13, 0, movl %ebx, %fs:0x10
  FAULTS "XCHG with read-only data", 13, 0, xchgl %ebx, %fs:0x10
  FAULTS "BTS of read-only data", 13, 0, btsl $1, %fs:0x10
  movl %fs:0x10, %ebx
  CHECK "read-only data is unchanged", %ebx, $0x12345678
  FAULTS "read-only data in SS", 13, S(0), movw %ax, %ss
  movw $DATA3, %ax
  FAULTS "data of DPL 3 in SS", 13, 0x20, movw %ax, %ss
  movw $DATA0 + 3, %ax
  FAULTS "SS with RPL 3", 13, DATA0, movw %ax, %ss
  FAULTS "data of DPL 0 with RPL 3 in DS", 13, DATA0, movw %ax, %ds
  movw $DATA3, %ax
  RUNS "data of DPL 3 in FS", movw %ax, %fs
  movw $DATA3 - 3, %ax
  RUNS "data of DPL 3 with RPL 0 in FS", movw %ax, %fs
  movw $DATA0, %ax
  FAULTS "MOV to CS", 6, NONE, .byte 0x8E, 0xC8
  FAULTS "MOV to segment register 6", 6, NONE, .byte 0x8E, 0xF0
  FAULTS "MOV from segment register 7", 6, NONE, .byte 0x8C, 0xF8

/* Ring 3. */
  movw $DATA0, %ax
  FAULTS3 "ring 3: data of DPL 0 in DS", 13, DATA0, movw %ax, %ds
  movw $DATA0 + 3, %ax
  FAULTS3 "ring 3: data of DPL 0 in SS", 13, DATA0, movw %ax, %ss
  movw $DATA3 - 3, %ax
  RUNS3 "ring 3: data of DPL 3 with RPL 0 in DS", movw %ax, %ds
  FAULTS3 "ring 3: SS with RPL 0", 13, 0x20, movw %ax, %ss
  movw $CODE0, %ax
  FAULTS3 "ring 3: readable code of DPL 0 in ES", 13, CODE0, movw %ax, %es
  DESCRIPTOR S(0), 0, 0xFFFFF, 0x9F, FLAGS32
  movw $S(0), %ax
  RUNS3 "ring 3: conforming code of DPL 0 in ES", movw %ax, %es
  DESCRIPTOR S(0), 0, 0xFFFFF, 0x9D, FLAGS32
  FAULTS3 "ring 3: execute-only conforming code in ES", 13, S(0), movw %ax, %es
  movw $0, %ax
  FAULTS3 "ring 3: null in SS", 13, 0, movw %ax, %ss
  FAULTS3 "ring 3: LGDT", 13, 0, lgdtl gdt_pointer
  FAULTS3 "ring 3: LLDT", 13, 0, lldtw %ax
  FAULTS3 "ring 3: LTR", 13, 0, ltrw %ax
  FAULTS3 "ring 3: LMSW", 13, 0, lmsww %ax
  FAULTS3 "ring 3: MOV from CR0", 13, 0, movl %cr0, %eax
  FAULTS3 "ring 3: CLTS", 13, 0, clts
  FAULTS3 "ring 3: HLT", 13, 0, hlt
  FAULTS3 "ring 3: CLI with IOPL 0", 13, 0, cli
  FAULTS3 "ring 3: IN with IOPL 0", 13, 0, inb $0x80, %al
  movl $0x3002, user_flags
  RUNS3 "ring 3: CLI with IOPL 3", cli
  RUNS3 "ring 3: IN with IOPL 3", inb $0x80, %al
  movl $2, user_flags
  RUNS3 "ring 3: SGDT", sgdtl FREE_MEMORY
  RUNS3 "ring 3: SMSW", smswl %eax

/* Segments that ring 3 may not keep are emptied on the way there. */
  movw $DATA0, %ax
  movw %ax, %fs
  movw $DATA3, %ax
  movw %ax, %gs
  RUNS3 "to ring 3 with DS of DPL 0", nop
  CHECK "FS of DPL 0 becomes null", trap_fs, $0
  CHECK "GS of DPL 3 stays", trap_gs, $DATA3

/* Limits, expand-up. */
  DESCRIPTOR S(0), AREA, 0xFFF, 0x93, FLAGS32_BYTE
  movw $S(0), %ax
  movw %ax, %fs
  RUNS "last byte", movb %fs:0xFFF, %bl
  RUNS "last word", movw %fs:0xFFE, %bx
  RUNS "last dword", movl %fs:0xFFC, %ebx
  FAULTS "byte past the limit", 13, 0, movb %fs:0x1000, %bl
  FAULTS "word across the limit", 13, 0, movw %fs:0xFFF, %bx
  FAULTS "dword across the limit", 13, 0, movl %fs:0xFFD, %ebx
  FAULTS "write across the limit", 13, 0, movl %ebx, %fs:0xFFE
  FAULTS "offset FFFFFFFFh", 13, 0, movb %fs:0xFFFFFFFF, %bl
  FAULTS "dword that wraps around", 13, 0, movl %fs:0xFFFFFFFE, %ebx
  FAULTS "x87 operand across the limit", 13, 0, fldl %fs:0xFFC
  FAULTS "CMPXCHG8B across the limit", 13, 0, cmpxchg8b %fs:0xFFC
  /* A base far up: the linear address wraps. */
  DESCRIPTOR S(0), 0xFFFFF000, 0xFFFFF, 0x93, FLAGS32
  movw %ax, %fs
  movl $0xCAFEF00D, AREA
  movl %fs:AREA + 0x1000, %ebx
  CHECK "linear address wraps around", %ebx, $0xCAFEF00D
  /* 4 KiB granularity: the low 12 bits are not checked. */
  DESCRIPTOR S(0), AREA, 0, 0x93, FLAGS32
  movw %ax, %fs
  RUNS "page granular: last dword", movl %fs:0xFFC, %ebx
  FAULTS "page granular: byte past the limit", 13, 0, movb %fs:0x1000, %bl
  DESCRIPTOR S(0), AREA, 0, 0x93, FLAGS32_BYTE
  movw %ax, %fs
  RUNS "limit 0: byte 0", movb %fs:0, %bl
  FAULTS "limit 0: byte 1", 13, 0, movb %fs:1, %bl
  FAULTS "limit 0: word 0", 13, 0, movw %fs:0, %bx
  /* The cached descriptor counts, not the table. */
  DESCRIPTOR S(0), AREA, 0xFFF, 0x93, FLAGS32_BYTE
  FAULTS "table changed, register not", 13, 0, movb %fs:1, %bl

/* Expand-down. */
  DESCRIPTOR S(0), AREA, 0xFFF, 0x97, FLAGS32_BYTE
  movw %ax, %fs
  FAULTS "expand-down: last byte below", 13, 0, movb %fs:0xFFF, %bl
  RUNS "expand-down: first byte", movb %fs:0x1000, %bl
  FAULTS "expand-down: word across", 13, 0, movw %fs:0xFFF, %bx
  RUNS "expand-down: top with B = 1", movl %fs:0xFFFFFFFC, %ebx
  DESCRIPTOR S(0), AREA, 0xFFF, 0x97, FLAGS16
  movw %ax, %fs
  RUNS "expand-down, B = 0: top", movw %fs:0xFFFE, %bx
  FAULTS "expand-down, B = 0: above", 13, 0, movb %fs:0x10000, %bl
  FAULTS "expand-down, B = 0: across the top", 13, 0, movl %fs:0xFFFD, %ebx
  DESCRIPTOR S(0), AREA, 0x1, 0x97, 0x8
  movw %ax, %fs
  FAULTS "expand-down, page granular: below", 13, 0, movb %fs:0x1FFF, %bl
  RUNS "expand-down, page granular: first", movb %fs:0x2000, %bl

/* Stack segment: 12 instead of 13, and the stack pointer stays. In ring 3, so that the handler has another stack. */
.macro STACK3 name, error, esp, code:vararg
  movl $\esp, user_esp
  FAULTS3 "\name", 12, \error, \code
  CHECK "\name: ESP", trap_esp, $\esp
.endm
  DESCRIPTOR S(0), AREA, 0xFFF, 0xF3, FLAGS32_BYTE
  movl $S(0) + 3, user_ss
  movl $0x1000, %ebp
  STACK3 "read past the limit by SS", 0, 0x1000, movl %ss:0x1000, %ebx
  STACK3 "read past the limit by EBP", 0, 0x1000, movl (%ebp), %ebx
  STACK3 "read past the limit by ESP", 0, 0x1000, movl (%esp), %ebx
  STACK3 "write past the limit by EBP", 0, 0x1000, movl %ebx, -2(%ebp)
  STACK3 "POP past the limit", 0, 0x1000, popl %ebx
  STACK3 "POP across the limit", 0, 0xFFE, popl %ebx
  STACK3 "POPA past the limit", 0, 0xFF0, popal
  STACK3 "POPF past the limit", 0, 0x1000, popfl
  STACK3 "RET past the limit", 0, 0x1000, retl
  STACK3 "far RET past the limit", 0, 0xFFC, lretl
  STACK3 "IRET past the limit", 0, 0xFF8, iretl
  STACK3 "LEAVE past the limit", 0, 0x800, leave
  STACK3 "PUSH past the limit", 0, 0x1006, pushl %ebx
  STACK3 "PUSHF past the limit", 0, 0x1006, pushfl
  STACK3 "PUSHA past the limit", 0, 0x1010, pushal
  STACK3 "CALL past the limit", 0, 0x1006, call tests
  STACK3 "far CALL past the limit", 0, 0x1006, lcall $CODE3, $tests
  STACK3 "ENTER past the limit", 0, 0x1006, enter $0, $0
  STACK3 "PUSH below 0", 0, 2, pushl %ebx
  DESCRIPTOR S(0), AREA, 0xFFF, 0xF7, FLAGS32_BYTE
  STACK3 "expand-down stack: PUSH below", 0, 0x1000, pushl %ebx
  movl $0x1004, user_esp
  RUNS3 "expand-down stack: PUSH above", pushl %ebx

/* 16-bit stacks use SP only. IRET loads no more of ESP than that. */
  DESCRIPTOR S(0), AREA, 0xFFFF, 0xF3, FLAGS16
  movl $0x55550004, user_esp
  RUNS3 "IRET to a 16-bit stack", nop
  CHECK "IRET to a 16-bit stack: ESP", trap_esp, $0x00000004
.macro STACK16 name, before, after, vector, code:vararg
  GUARD .Lresume\@
  ENTER3 .Lin\@
.Lin\@:
  movl $\before, %esp
.Lat\@:
  \code
.Lend\@:
  int $LEAVE
.Lresume\@:
  .if \vector == LEAVE
  TRAPPED "\name", LEAVE, NONE, .Lend\@ + 2
  .else
  TRAPPED "\name", \vector, 0, .Lat\@
  .endif
  CHECK "\name: ESP", trap_esp, $\after
.endm
  movl $0x01020304, %ebx
  STACK16 "16-bit stack: PUSH", 0x55550004, 0x55550000, LEAVE, pushl %ebx
  CHECK "16-bit stack: memory", AREA, $0x01020304
  STACK16 "16-bit stack: PUSH wraps", 0x55550000, 0x5555FFFC, LEAVE, pushl %ebx
  CHECK "16-bit stack: memory at the top", AREA + 0xFFFC, $0x01020304
  STACK16 "16-bit stack: POP wraps", 0x5555FFFC, 0x55550000, LEAVE, popl %ecx
  STACK16 "16-bit stack: PUSH across the top", 0x55550002, 0x55550002, 12, pushl %ebx
  STACK16 "16-bit stack: POP across the top", 0x5555FFFE, 0x5555FFFE, 12, popl %ebx
  movl $0x44440800, %ebp
  STACK16 "16-bit stack: LEAVE", 0x55551000, 0x55550804, LEAVE, leave
  movl $0x44440800, %ebp
  STACK16 "16-bit stack: ENTER", 0x55551000, 0x55550FEC, LEAVE, enter $0x10, $0
  CHECK "16-bit stack: ENTER, EBP", trap_ebp, $0x55550FFC
  STACK16 "16-bit stack: PUSHA wraps", 0x55550010, 0x5555FFF0, LEAVE, pushal
  STACK16 "16-bit stack: CALL", 0x55551000, 0x55550FFC, LEAVE, call . + 5
  movl $DATA3, user_ss
  movl $RING3_STACK, user_esp

/* Accessed bits. */
  DESCRIPTOR S(0), AREA, 0xFFF, 0x92, FLAGS32_BYTE
  movw $S(0), %ax
  movw %ax, %fs
  CHECK_BITS "accessed bit is set by a load", gdt + S(0) + 4, 0xFF00, 0x9300
  DESCRIPTOR S(0), AREA, 0xFFF, 0x12, FLAGS32_BYTE
  FAULTS "not present", 11, S(0), movw %ax, %fs
  CHECK_BITS "accessed bit is not set by a fault", gdt + S(0) + 4, 0xFF00, 0x1200
  DESCRIPTOR S(0), 0, 0xFFFFF, 0x9A, FLAGS32
  ljmp $S(0), $1f
1:
  CHECK_BITS "accessed bit of code", gdt + S(0) + 4, 0xFF00, 0x9B00
  ljmp $CODE0, $1f
1:
  DESCRIPTOR S(0), 0, 0xFFFFF, 0x92, FLAGS32
  movw %ax, %ss
  CHECK_BITS "accessed bit of a stack", gdt + S(0) + 4, 0xFF00, 0x9300
  movw $DATA0, %ax
  movw %ax, %ss
  DESCRIPTOR S(0), 0, 0xFFFFF, 0x92, FLAGS32
  movw $S(0), %ax
  larw %ax, %cx
  CHECK_BITS "LAR does not set it", gdt + S(0) + 4, 0xFF00, 0x9200

/* A failed load changes nothing. */
  movw $DATA3, %ax
  movw %ax, %gs
  movl $0x55555555, %ebx
  movl $0x12345678, FREE_MEMORY
  movw $0x400, FREE_MEMORY + 4
  FAULTS "LGS beyond the GDT", 13, 0x400, lgsl FREE_MEMORY, %ebx
  CHECK "LGS: EBX", %ebx, $0x55555555
  movl %gs, %ecx
  CHECK "LGS: GS", %ecx, $DATA3
  movw $0, FREE_MEMORY + 4
  FAULTS "LSS of null", 13, 0, lssl FREE_MEMORY, %ebx
  CHECK "LSS: EBX", %ebx, $0x55555555
  movw $DATA3, FREE_MEMORY + 4
  RUNS "LFS", lfsl FREE_MEMORY, %ebx
  CHECK "LFS: EBX", %ebx, $0x12345678
  movl %fs, %ecx
  CHECK "LFS: FS", %ecx, $DATA3
  movl %esp, %ebp
  pushl $0x400
  movl %esp, %edx
  FAULTS "POP FS of a bad selector", 13, 0x400, popl %fs
  CHECK "POP FS: ESP stays", trap_esp, %edx
  movl %ebp, %esp
  movl $~0, %ecx
  movl %fs, %ecx
  CHECK "MOV r32, FS zero-extends", %ecx, $DATA3
  movl $~0, FREE_MEMORY
  movw %fs, FREE_MEMORY
  CHECK "MOV m16, FS writes a word", FREE_MEMORY, $0xFFFF0023

/* Code segments: limits and reading. */
  DESCRIPTOR S(1), 0, 0xFFFFF, 0x99, FLAGS32
  ljmp $S(1), $1f
1:
  FAULTS "read through execute-only CS", 13, 0, movl %cs:0x5000, %ebx
  ljmp $CODE0, $1f
1:
  FAULTS "write through CS", 13, 0, movl %ebx, %cs:0x5000
  RUNS "read through CS", movl %cs:0x5000, %ebx
  DESCRIPTOR S(1), 0, 0xFFFF, 0x9B, FLAGS32_BYTE
.macro FAULTS_IN_S1 name, code:vararg
  GUARD .Lresume\@
  ljmp $S(1), $.Lat\@
.Lat\@:
  \code
.Lresume\@:
  TRAPPED "\name", 13, 0, .Lat\@
.endm
  FAULTS_IN_S1 "read past the limit of CS", movl %cs:0xFFFD, %ebx
  movl $0x10000, %eax
  movl %eax, FREE_MEMORY
  FAULTS_IN_S1 "near JMP past the limit", jmp *%eax
  FAULTS_IN_S1 "near JMP by memory past the limit", jmp *FREE_MEMORY
  FAULTS_IN_S1 "near CALL past the limit", call *%eax
  FAULTS_IN_S1 "relative JMP past the limit", jmp 0x12345678
  FAULTS_IN_S1 "relative CALL past the limit", call 0x12345678
  CHECK "relative CALL past the limit: ESP", trap_esp, guard_esp
  xorl %ebx, %ebx
  FAULTS_IN_S1 "Jcc past the limit", jz 0x12345678
  pushl $0x10000
  movl %esp, %ebx
  FAULTS_IN_S1 "near RET past the limit", ret
  CHECK "near RET: ESP stays", trap_esp, %ebx
  addl $4, %esp
  FAULTS "far JMP past the limit", 13, 0, ljmp $S(1), $0x10000
  FAULTS "far CALL past the limit", 13, 0, lcall $S(1), $0x10000
  /* An instruction that crosses the limit: MOV EAX, imm32 with its last byte outside. */
  movl $FREE_MEMORY, %edi
  movb $0xB8, (%edi)
  movl $0x11223344, 1(%edi)
  movb $0xC3, 5(%edi)
  DESCRIPTOR S(1), 0, FREE_MEMORY + 3, 0x9B, FLAGS32_BYTE
  pushl $0x99
  popl %eax
  GUARD 3f
  ljmp $S(1), $FREE_MEMORY
3:
  TRAPPED "instruction across the limit", 13, 0, FREE_MEMORY
  CHECK "instruction across the limit: EAX", trap_eax, $0x99

/* Far jumps by descriptor type and privilege. */
  FAULTS "far JMP to null", 13, 0, ljmp $0, $tests
  FAULTS "far JMP to data", 13, DATA0, ljmp $DATA0, $tests
  FAULTS "far JMP beyond the GDT", 13, 0x400, ljmp $0x400, $tests
  DESCRIPTOR S(1), 0, 0xFFFFF, 0x1B, FLAGS32
  FAULTS "far JMP to code not present", 11, S(1), ljmp $S(1), $tests
  FAULTS "far JMP with RPL above CPL", 13, CODE0, ljmp $CODE0 + 3, $tests
  FAULTS "far JMP to DPL 3", 13, CODE3 - 3, ljmp $CODE3, $tests
  DESCRIPTOR S(1), 0, 0xFFFFF, 0xFF, FLAGS32
  FAULTS "far JMP to conforming code of DPL 3", 13, S(1), ljmp $S(1), $tests
  FAULTS3 "ring 3: far JMP to DPL 0", 13, CODE0, ljmp $CODE0, $tests
  DESCRIPTOR S(1), 0, 0xFFFFF, 0x9F, FLAGS32
  GUARD 2f
  ENTER3 1f
1:
  ljmp $S(1), $1f
1:
  movl %cs, %ebx
  int $LEAVE
2:
  TRAPPED "ring 3: conforming code of DPL 0", LEAVE, NONE, 2b
  CHECK "its RPL is the CPL", %ebx, $S(1) + 3
  CHECK "and so is the pushed CS's", trap_cs, $S(1) + 3
  GUARD 2f
  ENTER3 1f
1:
  ljmp $CODE3 - 3, $1f
1:
  movl %cs, %ebx
  int $LEAVE
2:
  TRAPPED "ring 3: far JMP with RPL 0", LEAVE, NONE, 2b
  CHECK "RPL becomes the CPL", %ebx, $CODE3

/* LAR, LSL, VERR, VERW, ARPL. */
.macro ZF name, want, code:vararg
  \code
  pushfl
  popl %edx
  CHECK_BITS "\name", %edx, 0x40, \want << 6
.endm
  movl $S(2), %eax
  DESCRIPTOR S(2), 0x12345678, 0x54321, 0xF3, 0xD
  ZF "LAR", 1, larl %eax, %ebx
  CHECK_BITS "LAR: access", %ebx, 0x00F0FF00, 0x00D0F300
  ZF "LSL with page granularity", 1, lsll %eax, %ebx
  CHECK "LSL: limit", %ebx, $0x54321FFF
  DESCRIPTOR S(2), 0x12345678, 0x54321, 0xF3, 0x4
  ZF "LSL in bytes", 1, lsll %eax, %ebx
  CHECK "LSL: limit in bytes", %ebx, $0x54321
  movl $0x77, %ebx
  movl $0, %ecx
  ZF "LAR of null", 0, larl %ecx, %ebx
  CHECK "LAR of null: destination", %ebx, $0x77
  movl $0x400, %ecx
  ZF "LSL beyond the GDT", 0, lsll %ecx, %ebx
  movl $DATA0 + 3, %ecx
  ZF "LAR with RPL above DPL", 0, larl %ecx, %ebx
  GATE S(3), CODE0, 0, 0x8E
  movl $S(3), %ecx
  ZF "LAR of an interrupt gate", 0, larl %ecx, %ebx
  GATE S(3), CODE0, 0, 0x8C
  ZF "LAR of a call gate", 1, larl %ecx, %ebx
  ZF "LSL of a call gate", 0, lsll %ecx, %ebx
  movl $TSS0, %ecx
  ZF "LSL of a TSS", 1, lsll %ecx, %ebx
  CHECK "LSL of a TSS: limit", %ebx, $0x67
  movl $CODE0, %ecx
  ZF "VERR of readable code", 1, verr %cx
  ZF "VERW of code", 0, verw %cx
  movl $DATA0, %ecx
  ZF "VERW of data", 1, verw %cx
  DESCRIPTOR S(2), 0, 0, 0x91, 0x4
  movl $S(2), %ecx
  ZF "VERR of read-only data", 1, verr %cx
  ZF "VERW of read-only data", 0, verw %cx
  DESCRIPTOR S(2), 0, 0, 0x99, 0x4
  ZF "VERR of execute-only code", 0, verr %cx
  movl $TSS0, %ecx
  ZF "VERR of a TSS", 0, verr %cx
  movl $0x10, %ecx
  movl $0x23, %edx
  movl %edx, %ebx
  ZF "ARPL raises", 1, arpl %bx, %cx
  CHECK "ARPL: result", %ecx, $0x13
  ZF "ARPL leaves", 0, arpl %bx, %cx

/* LDT. */
  movw $DATA0, %ax
  FAULTS "LLDT of data", 13, DATA0, lldtw %ax
  DESCRIPTOR S(4), FREE_MEMORY, 0xF, 0x02, 0
  movw $S(4), %ax
  FAULTS "LLDT not present", 11, S(4), lldtw %ax
  DESCRIPTOR S(4), FREE_MEMORY, 0xF, 0x82, 0
  RUNS "LLDT", lldtw %ax
  xorl %ebx, %ebx
  sldtl %ebx
  CHECK "SLDT", %ebx, $S(4)
  movl $0x1000FFFF, FREE_MEMORY + 8
  movl $0x00409310, FREE_MEMORY + 12
  movw $0xC, %ax
  RUNS "selector of the LDT in FS", movw %ax, %fs
  movl $0xABCD0123, 0x101010
  movl %fs:0x10, %ebx
  CHECK "read through the LDT", %ebx, $0xABCD0123
  movw $0x14, %ax
  FAULTS "beyond the LDT", 13, 0x14, movw %ax, %fs
  movw $S(4) + 4, %ax
  FAULTS "LLDT of an LDT selector", 13, S(4) + 4, lldtw %ax
  movw $0, %ax
  RUNS "LLDT of null", lldtw %ax
  movw $0xC, %ax
  FAULTS "LDT selector without an LDT", 13, 0xC, movw %ax, %fs
  movw $TSS0, %ax
  FAULTS "LTR of a busy TSS", 13, TSS0, ltrw %ax
  movw $0, %ax
  FAULTS "LTR of null", 13, 0, ltrw %ax
  movw $DATA0, %ax
  FAULTS "LTR of data", 13, DATA0, ltrw %ax
  xorl %ebx, %ebx
  strl %ebx
  CHECK "STR", %ebx, $TSS0

/* Descriptor table registers. */
  sgdtl FREE_MEMORY
  movzwl FREE_MEMORY, %ebx
  CHECK "SGDT: limit", %ebx, $GDT_LIMIT
  CHECK "SGDT: base", FREE_MEMORY + 2, $gdt
  movw $0x1F, FREE_MEMORY
  lgdtl FREE_MEMORY
  movw $0x20, %ax
  FAULTS "beyond a shorter GDT", 13, 0x20, movw %ax, %fs
  movw $0x18, %ax
  RUNS "last entry of it", movw %ax, %fs
  movw $0x24, FREE_MEMORY
  lgdtl FREE_MEMORY
  movw $0x20, %ax
  FAULTS "entry cut by the limit", 13, 0x20, movw %ax, %fs
  lgdtl gdt_pointer
  movw $0, %ax
  movw %ax, %fs
  movw %ax, %gs
FINISH
