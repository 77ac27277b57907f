/* Real mode: segments, wrap-around, A20, the interrupt vector table, 16-bit addressing, "unreal" segments.
   SDM vol. 3 chapter 20. */
#include "test.h"
#include "real.h"

/* An instruction of real mode that faults. The exception pushes no error code. */
.macro FAULTS16 name, vector, code:vararg
  REAL
  GUARD16 .Lresume\@
.Lat\@:
  \code
.Lresume\@:
  PROTECTED
  TRAPPED "\name", \vector, NONE, .Lat\@
.endm
.macro RUNS16 name, code:vararg
  REAL
  GUARD16 .Lresume\@
  \code
.Lresume\@:
  PROTECTED
  TRAPPED "\name", NONE, NONE, 0
.endm
.macro WORD name, value, want
  CHECK_BITS "\name", \value, 0xFFFF, \want
.endm

TESTS
/* The switch itself. */
  REAL
  movw %cs, %ax
  smsww %bx
  PROTECTED
  WORD "CS", %eax, 0
  CHECK_BITS "PE is clear", %ebx, 1, 0
  REAL
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  /* Protected mode before the far jump: the code segment is still the old one. */
  movw $0x1234, %bx
  smsww %cx
  andb $0xFE, %al
  movl %eax, %cr0
  PROTECTED
  WORD "PE without a jump", %ebx, 0x1234
  CHECK_BITS "PE was set", %ecx, 1, 1
  REAL
  movw $1, %ax
  lmsww %ax
  movw $0, %ax
  lmsww %ax
  smsww %bx
  movl %cr0, %eax
  andb $0xFE, %al
  movl %eax, %cr0
  PROTECTED
  CHECK_BITS "LMSW does not clear PE", %ebx, 1, 1

/* Segments. */
  movl $0x12345678, 0x23450
  REAL
  movw $0x2340, %ax
  movw %ax, %es
  movl %es:0x50, %ebx
  movw $0x2345, %ax
  movw %ax, %fs
  movl %fs:0, %ecx
  PROTECTED
  CHECK "ES is a paragraph", %ebx, $0x12345678
  CHECK "FS is a paragraph", %ecx, $0x12345678
  REAL
  pushw $0x2345
  popw %gs
  movl %gs:0, %ebx
  movw $0x22, 0x5F00
  movw $0x2340, 0x5F02
  ldsw 0x5F00, %si
  movw %ds, %cx
  xorw %ax, %ax
  movw %ax, %ds
  PROTECTED
  CHECK "POP GS", %ebx, $0x12345678
  WORD "LDS: offset", %esi, 0x22
  WORD "LDS: segment", %ecx, 0x2340
  /* Far jumps and calls. */
  REAL
  ljmp $0x100, $1f - 0x1000
1:
  movw %cs, %bx
  ljmp $0, $1f
1:
  movw %sp, %bp
  lcall $0x80, $real_far - 0x800
1:
  subw %sp, %bp
  PROTECTED
  WORD "far JMP", %ebx, 0x100
  WORD "far CALL", %ecx, 0x80
  WORD "far RET releases", %ebp, 0
  REAL
  movw $real_far, 0x5F00
  movw $0, 0x5F02
  lcallw *0x5F00
  PROTECTED
  WORD "far CALL by memory", %ecx, 0
  REAL
  pushl $0x00FF0000
  pushl $1f
  /* 32-bit far RET: the upper half of CS is dropped. */
  movw $0, 4(%esp)
  lretl
1:
  movw %cs, %bx
  PROTECTED
  WORD "32-bit far RET", %ebx, 0

/* Limits. */
  REAL
  movw $0x2000, %ax
  movw %ax, %es
  movb $0x99, %es:0xFFFF
  movb %es:0xFFFF, %bl
  PROTECTED
  CHECK_BITS "last byte of a segment", %ebx, 0xFF, 0x99
  FAULTS16 "word at FFFF", 13, movw 0xFFFF, %ax
  FAULTS16 "dword at FFFD", 13, movl 0xFFFD, %eax
  RUNS16 "dword at FFFC", movl 0xFFFC, %eax
  movl $0x10000, %esi
  FAULTS16 "32-bit offset of 64 KiB", 13, movb (%esi), %al
  movl $0x10000, %ebp
  FAULTS16 "32-bit offset of 64 KiB in SS", 12, movb (%ebp), %al
  movl $0x12345678, %eax
  FAULTS16 "JMP past 64 KiB", 13, jmpl *%eax
  REAL
  movw $0x2000, %ax
  movw %ax, %ss
  movw $0xFFFF, %sp
  movl $1f, %cs:guard_resume
  movl $STACK0 - 0x40, %cs:guard_esp
2:
  popw %bx
1:
  PROTECTED
  TRAPPED "POP at FFFF", 12, NONE, 2b
  REAL
  movw $0x2000, %ax
  movw %ax, %ss
  movl $0x12340000, %esp
  pushw $0x4321
  movl %esp, %ebx
  movw %ss:0xFFFE, %cx
  popw %dx
  movl %esp, %esi
  xorw %ax, %ax
  movw %ax, %ss
  movl $STACK0 - 0x40, %esp
  PROTECTED
  CHECK "PUSH with SP = 0", %ebx, $0x1234FFFE
  WORD "it wrote at the top", %ecx, 0x4321
  CHECK "POP wraps back", %esi, $0x12340000

/* 16-bit addresses wrap around; 32-bit ones do not. */
  movw $0xBEEF, 0x20010
  movw $0xF00D, 0x2FFF0
  REAL
  movw $0x2000, %ax
  movw %ax, %ds
  movw $0xFFF0, %bx
  movw $0x20, %si
  movw (%bx, %si), %cx
  movw $0x10, %di
  movw -0x20(%di), %dx
  movw $0xFFFF, %bp
  movw %ds:0x11(%bp), %ax
  xorw %bx, %bx
  movw %bx, %ds
  PROTECTED
  WORD "[BX + SI] wraps", %ecx, 0xBEEF
  WORD "[DI - 20h] wraps", %edx, 0xF00D
  WORD "[BP + 11h] wraps", %eax, 0xBEEF
  REAL
  movl $0xFFFF0000, %esi
  movl $0xFFFF1234, %ebx
  leaw (%bx, %si), %ax
  leal (%ebx, %esi), %ecx
  leaw 0x7FFF(%bx), %dx
  PROTECTED
  WORD "LEA r16", %eax, 0x1234
  CHECK "LEA r32", %ecx, $0xFFFE1234
  WORD "LEA r16 with a displacement", %edx, 0x9233
  /* BP and SP address the stack. */
  movl $0x11111111, 0x20100
  movl $0x22222222, 0x30100
  REAL
  movw $0x2000, %ax
  movw %ax, %ds
  movw $0x3000, %ax
  movw %ax, %ss
  movl $0x100, %ebp
  movl $0x100, %ebx
  movl (%bx), %ecx
  movl (%bp), %edx
  movl (%ebp), %esi
  movl %ds:(%bp), %edi
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %ss
  PROTECTED
  CHECK "[BX] is in DS", %ecx, $0x11111111
  CHECK "[BP] is in SS", %edx, $0x22222222
  CHECK "[EBP] is in SS", %esi, $0x22222222
  CHECK "DS:[BP]", %edi, $0x11111111
  /* Near jumps wrap in 64 KiB. */
  REAL
  movw $0x5000, %ax
  movw %ax, %es
  /* At 5000:0010 a JMP back by 20h to 5000:FFF0, from where one goes forward to 5000:0020; far RET. */
  movb $0xEB, %es:0x10
  movb $0xDE, %es:0x11
  movb $0xE9, %es:0xFFF0
  movw $0x002D, %es:0xFFF1
  movb $0xB8, %es:0x20
  movw $0x7777, %es:0x21
  movb $0xCB, %es:0x23
  lcall $0x5000, $0x10
  PROTECTED
  WORD "near jumps wrap around", %eax, 0x7777

/* Count and index registers follow the address size. */
  REAL
  movl $0x00010003, %ecx
  xorw %ax, %ax
1: incw %ax
  loop 1b
  movl %ecx, %ebx
  PROTECTED
  WORD "LOOP counts CX", %eax, 3
  CHECK "the upper half of ECX stays", %ebx, $0x00010000
  REAL
  movl $0x00010000, %ecx
  xorw %ax, %ax
  jcxz 1f
  incw %ax
1:
  jecxz 1f
  addw $2, %ax
1:
  PROTECTED
  WORD "JCXZ and JECXZ", %eax, 2
  REAL
  movl $3, %ecx
  xorw %ax, %ax
1: incw %ax
  .byte 0x67
  loop 1b
  PROTECTED
  WORD "LOOP with address size 32", %eax, 3
  REAL
  movw $0x2000, %ax
  movw %ax, %es
  movl $0x1234FFFE, %edi
  movl $0x56780004, %ecx
  movb $0x3C, %al
  cld
  rep stosb
  movl %edi, %ebx
  movl %ecx, %edx
  movb %es:0xFFFF, %al
  movb %es:1, %ah
  PROTECTED
  CHECK "STOSB wraps DI", %ebx, $0x12340002
  CHECK "REP counts CX", %edx, $0x56780000
  WORD "STOSB on both ends", %eax, 0x3C3C
  REAL
  movw $0x2000, %ax
  movw %ax, %ds
  movb $0x5A, 0
  movl $0xABCD0000, %esi
  std
  lodsb
  cld
  xorw %cx, %cx
  movw %cx, %ds
  PROTECTED
  CHECK "LODSB downwards wraps SI", %esi, $0xABCDFFFF
  CHECK_BITS "LODSB", %eax, 0xFF, 0x5A

/* The stack. */
  REAL
  movw %sp, %bx
  pushw %sp
  popw %cx
  subw %cx, %bx
  pushw $-1
  popw %dx
  .byte 0x6A, 0x80
  popw %si
  .byte 0x66, 0x6A, 0x80
  popl %edi
  PROTECTED
  WORD "PUSH SP pushes the old value", %ebx, 0
  WORD "PUSH imm16", %edx, 0xFFFF
  WORD "PUSH imm8 is sign-extended", %esi, 0xFF80
  CHECK "PUSH imm8 with operand size 32", %edi, $0xFFFFFF80
  REAL
  movl $0x11111111, %eax
  movl $0x22222222, %ecx
  movw %sp, %bx
  pushaw
  movw %sp, %dx
  subw %dx, %bx
  movw %sp, %bp
  movw 6(%bp), %di
  addw $16, %sp
  subw %sp, %di
  PROTECTED
  WORD "PUSHA takes 16 bytes", %ebx, 16
  WORD "PUSHA stores the old SP", %edi, 0
  REAL
  movl $0x7777FFFF, %ebp
  movw %sp, %bx
  enter $8, $0
  movw %bp, %cx
  subw %sp, %cx
  leave
  subw %sp, %bx
  PROTECTED
  WORD "ENTER reserves", %ecx, 8
  WORD "LEAVE releases", %ebx, 0
  CHECK "and BP is back", %ebp, $0x7777FFFF

/* The vector table. */
  REAL
  movw $real_int, 0x60 * 4
  movw $0, 0x60 * 4 + 2
  movw $0x7777, %ax
  pushw $0x0302 & ~0x100
  popfw
  movw %sp, %bp
  int $0x60
1:
  subw %sp, %bp
  pushfw
  popw %bx
  cli
  PROTECTED
  WORD "INT: IP", seen, 1b
  WORD "INT: CS", seen + 2, 0
  WORD "INT: FLAGS", seen + 4, 0x0202
  WORD "INT: frame of 6 bytes", %ebp, 0
  WORD "INT clears IF", seen + 6, 0x0002
  CHECK_BITS "IRET restores IF", %ebx, 0x200, 0x200
  FAULTS16 "UD2", 6, ud2
  xorl %ebx, %ebx
  FAULTS16 "DIV by 0", 0, divw %bx
  movl $5, 0x5F00
  movl $6, %eax
  FAULTS16 "BOUND", 5, .byte 0x62, 0x06, 0x00, 0x5F
  REAL
  GUARD16 2f
1: int3
2:
  PROTECTED
  TRAPPED "INT3", 3, NONE, 1b + 1
  REAL
  GUARD16 2f
  pushw $0x0102
  popfw
1: nop
2:
  PROTECTED
  TRAPPED "single step", 1, NONE, 1b + 1
  xorl %eax, %eax
  movl %eax, %dr6
  FAULTS16 "LLDT", 6, lldtw %ax
  FAULTS16 "STR", 6, strw %ax
  FAULTS16 "VERR", 6, verr %ax
  FAULTS16 "LAR", 6, larw %ax, %bx
  FAULTS16 "ARPL", 6, arpl %ax, %bx
  RUNS16 "LGDT", lgdtl gdt_pointer
  RUNS16 "MOV from CR0", movl %cr0, %eax
  RUNS16 "CLTS", clts
  REAL
  movw $0x60 * 4 - 1, 0x5F00
  movl $0, 0x5F02
  lidtl 0x5F00
  GUARD16 2f
1: int $0x60
2:
  movw $0x3FF, 0x5F00
  lidtl 0x5F00
  PROTECTED
  TRAPPED "INT beyond the table", 13, NONE, 1b
  /* A table elsewhere. */
  REAL
  movw $0x2400, %ax
  movw %ax, %es
  movw $real_int, %es:0x61 * 4
  movw $0, %es:0x61 * 4 + 2
  movw $0x3FF, 0x5F00
  movl $0x24000, 0x5F02
  lidtl 0x5F00
  movl $0, seen
  int $0x61
1:
  movl $0, 0x5F02
  lidtl 0x5F00
  PROTECTED
  WORD "relocated table", seen, 1b
  REAL
  pushl $0x00240202
  pushl $0
  pushl $1f
  iretl
1:
  pushfl
  popl %ebx
  cli
  pushl $2
  popfl
  PROTECTED
  CHECK "32-bit IRET loads AC and ID", %ebx, $0x00240202
  REAL
  pushl $0x00240002
  popfl
  pushw $0x0402
  popfw
  pushfl
  popl %ebx
  pushl $2
  popfl
  PROTECTED
  CHECK "16-bit POPF keeps the upper half", %ebx, $0x00240402
  REAL
  pushw $0x7002
  popfw
  pushfw
  popw %bx
  pushw $2
  popfw
  PROTECTED
  WORD "POPF sets NT and IOPL in real mode", %ebx, 0x7002

/* A20. */
  movl $0x5AFE0000, 0x100500
  movl $0x10D0CAFE, 0x500
  REAL
  movw $0xFFFF, %ax
  movw %ax, %es
  movl %es:0x510, %ebx
  call a20_off
  movl %es:0x510, %ecx
  movl $0x0FF0FF0F, %es:0x510
  call a20_on
  movl %es:0x510, %edx
  PROTECTED
  CHECK "A20 on: FFFF:0510 is above 1 MiB", %ebx, $0x5AFE0000
  CHECK "A20 off: it wraps to 0:0500", %ecx, $0x10D0CAFE
  CHECK "A20 off: so do stores", 0x500, $0x0FF0FF0F
  CHECK "A20 on again", %edx, $0x5AFE0000
  REAL
  call a20_off
  PROTECTED
  movl 0x100500, %ebx
  movl 0x300500, %edx
  movl $0x77770000, 0x300504
  REAL
  call a20_on
  PROTECTED
  movl 0x200504, %ecx
  CHECK "A20 off in protected mode", %ebx, $0x0FF0FF0F
  CHECK "third megabyte is the second's", %ecx, $0x77770000
  /* Code that changes with A20. */
  movl $0xC30001B8, 0x500
  movb $0xB8, 0x500
  movl $1, 0x501
  movb $0xC3, 0x505
  movb $0xB8, 0x100500
  movl $2, 0x100501
  movb $0xC3, 0x100505
  movl $0x100500, %edx
  call *%edx
  movl %eax, %ebx
  REAL
  call a20_off
  PROTECTED
  call *%edx
  movl %eax, %ecx
  REAL
  call a20_on
  PROTECTED
  call *%edx
  CHECK "code with A20 on", %ebx, $2
  CHECK "code with A20 off", %ecx, $1
  CHECK "code with A20 on again", %eax, $2

/* "Unreal" mode: limits stay from protected mode. */
  movl $0xFACE0FF0, 0x345678
  movw $DATA0, %ax
  movw %ax, big_segment
  REAL
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  jmp 1f
1:
  movw big_segment, %bx
  movw %bx, %fs
  movw %bx, %gs
  andb $0xFE, %al
  movl %eax, %cr0
  jmp 1f
1:
  movl $0x345678, %esi
  movl %fs:(%esi), %ecx
  movw $0x1000, %ax
  movw %ax, %gs
  movl $0x335678, %edi
  movl %gs:(%edi), %edx
  xorw %ax, %ax
  movw %ax, %fs
  PROTECTED
  CHECK "segment of 4 GiB in real mode", %ecx, $0xFACE0FF0
  CHECK "a new base keeps the limit", %edx, $0xFACE0FF0
FINISH

.code16
real_far:
  movw %cs, %cx
  lretw

real_int:
  popw %cs:seen
  popw %cs:seen + 2
  popw %cs:seen + 4
  pushfw
  popw %cs:seen + 6
  pushw %cs:seen + 4
  pushw %cs:seen + 2
  pushw %cs:seen
  iretw

a20_off:
  pushw %ax
  inb $0x92, %al
  andb $0xFC, %al
  outb %al, $0x92
  popw %ax
  ret
a20_on:
  pushw %ax
  inb $0x92, %al
  orb $2, %al
  andb $0xFE, %al
  outb %al, $0x92
  popw %ax
  ret
.code32

.data
.balign 4
big_segment: .long 0
seen: .long 0, 0
.text
