/* Random programs of integer instructions in real mode: 16-bit operands and addresses with all prefixes. Each ends with
   its first exception, UD2 at the latest. The expected digests of registers, flags and memory are those of Bochs 2.7. */
#include "test.h"
#include "real.h"

.macro CASES name, want
  movl $500, remaining
  call run_cases
  CHECK "\name", digest, $\want
.endm
.macro FOLD value
  movl \value, %eax
  call fold
.endm

#ifdef VERBOSE
.macro SHOW value
  movl \value, %eax
  call print_hex
  movb $' ', %al
  call print_character
.endm
#endif

TESTS
  movl $0x20000, %edi
  movl $0x10000, %ecx
  cld
1:
  movl %edi, %eax
  imull $0x9E3779B1, %eax, %eax
  stosl
  loop 1b
  movl $0x0BADCAFE, seed
  CASES "16-bit programs, group 1", 0xEBC2AE9E
  CASES "16-bit programs, group 2", 0x29346E5A
  CASES "16-bit programs, group 3", 0xA60DBCFC
  CASES "16-bit programs, group 4", 0x139F594F
FINISH

run_cases:
  cld
  /* Thirty instructions. EBP: bit 0 operand size, bit 1 address size. */
  movl $program, %edi
  movl $30, count
next_instruction:
  xorl %ebp, %ebp
  call random
  testl $3, %eax
  jnz 1f
  movb $0x66, (%edi)
  incl %edi
  orl $1, %ebp
1:
  testl $0xF0, %eax
  jnz 1f
  movb $0x67, (%edi)
  incl %edi
  orl $2, %ebp
1:
  testl $0x700, %eax
  jnz 1f
  shrl $12, %eax
  andl $7, %eax
  movb overrides(%eax), %al
  stosb
1:
  call random
  movzwl %ax, %eax
  xorl %edx, %edx
  movl $TEMPLATES, %ecx
  divl %ecx
  leal templates(, %edx, 4), %esi
  /* The opcode: with 0Fh if the third byte says so, with random low bits as the second says. */
  testb $0x80, 2(%esi)
  jz 1f
  movb $0x0F, (%edi)
  incl %edi
1:
  call random
  andb 1(%esi), %al
  movzbl (%esi), %ecx
  /* Register numbers in the opcode: never ESP. */
  testb $0x40, 2(%esi)
  jz 1f
  cmpb $4, %al
  jne 1f
  movb $5, %al
1:
  orb %cl, %al
  stosb
  /* ModR/M: bit 5; the field is the low 3 bits of the last byte, or any if it is 0xF. */
  testb $0x20, 2(%esi)
  jz no_modrm
  call random
  movl %eax, %ebx
  movzbl 3(%esi), %ecx
  andl $0xF, %ecx
  cmpl $0xF, %ecx
  je 1f
  andb $0xC7, %bl
  shll $3, %ecx
  orb %cl, %bl
  jmp 2f
1:
  movb %bl, %al
  andb $0x38, %al
  cmpb $0x20, %al
  jne 2f
  orb $8, %bl
2:
  movzbl %bl, %ebx
  movl %ebx, %ecx
  shrl $6, %ecx
  movl %ebx, %edx
  andl $7, %edx
  cmpl $3, %ecx
  jne 1f
  cmpl $4, %edx
  jne 3f
  orb $1, %bl
3:
  movb %bl, (%edi)
  incl %edi
  jmp no_modrm
1:
  movb %bl, (%edi)
  incl %edi
  testl $2, %ebp
  jnz 4f
  /* 16-bit: [disp16], disp8, disp16. */
  cmpl $0x06, %edx
  jne 5f
  testl %ecx, %ecx
  jz 6f
5:
  testl %ecx, %ecx
  jz no_modrm
  cmpl $1, %ecx
  je 7f
6:
  call random
  stosw
  jmp no_modrm
7:
  call random
  stosb
  jmp no_modrm
4:
  /* 32-bit: SIB, [disp32], disp8, disp32. */
  cmpl $4, %edx
  jne 5f
  call random
  stosb
  movl %eax, %edx
  andl $7, %edx
5:
  cmpl $1, %ecx
  je 7b
  ja 6f
  cmpl $5, %edx
  jne no_modrm
6:
  call random
  stosl
no_modrm:
  /* Immediate: bits 0 and 1 of the third byte; 1 byte, 2 operand size. */
  movzbl 2(%esi), %ecx
  andl $3, %ecx
  jz 2f
  call random
  stosb
  cmpl $1, %ecx
  je 2f
  shrl $8, %eax
  stosb
  testl $1, %ebp
  jz 2f
  call random
  stosw
2:
  decl count
  jnz next_instruction
  movw $0x0B0F, (%edi)

  /* The registers. */
  movl $7, %ecx
  movl $registers, %edi
1:
  call random
  stosl
  loop 1b
  call random
  andl $0x8D5, %eax
  movl %eax, flags
  movl %esp, %ebp
  REAL
  movl $1f, %cs:guard_resume
  movl %esp, %cs:guard_esp
  movw $0x2000, %ax
  movw %ax, %es
  movw $0x4000, %ax
  movw %ax, %fs
  movw $0x5000, %ax
  movw %ax, %gs
  movl registers, %eax
  movl registers + 4, %ecx
  movl registers + 8, %edx
  movl registers + 12, %ebx
  movl registers + 16, %ebp
  movl registers + 20, %esi
  movl registers + 24, %edi
  pushw flags
  popfw
  movw $0x3000, flags
  movw flags, %ss
  movl $0x8000, %esp
  movw $0x2000, flags
  movw flags, %ds
  jmp program
1:
  PROTECTED
  cld
  /* AF, which is undefined after some, is not to stay in the pushed flags. */
  movl trap_esp, %esi
  subl $2, %esi
  andl $0xFFFF, %esi
  movw $0, 0x30000(%esi)
  FOLD trap_vector
  FOLD trap_eip
  movl trap_eflags, %eax
  andl $0xCC5, %eax
  call fold
  FOLD trap_eax
  FOLD trap_ecx
  FOLD trap_edx
  FOLD trap_ebx
  FOLD trap_esp
  FOLD trap_ebp
  FOLD trap_esi
  FOLD trap_edi
#ifdef VERBOSE
  SHOW trap_vector
  SHOW trap_eip
  SHOW trap_eflags
  SHOW trap_eax
  SHOW trap_ecx
  SHOW trap_edx
  SHOW trap_ebx
  SHOW trap_esp
  SHOW trap_ebp
  SHOW trap_esi
  SHOW trap_edi
  movl trap_eip, %esi
  andl $0xFFFF, %esi
  SHOW (%esi)
  SHOW 4(%esi)
  call print_line
#endif
  movl $NONE, trap_vector
  movl $NONE, trap_error
  decl remaining
  jnz run_cases
  /* All memory of the data segments. */
  movl $0x20000, %esi
  movl $0x10000, %ecx
1:
  lodsl
  call fold
  loop 1b
  ret

fold:
  xorl digest, %eax
  imull $0x01000193, %eax, %eax
  roll $7, %eax
  movl %eax, digest
  ret

/* Marsaglia's xorshift. */
random:
  pushl %edx
  movl seed, %eax
  movl %eax, %edx
  shll $13, %edx
  xorl %edx, %eax
  movl %eax, %edx
  shrl $17, %edx
  xorl %edx, %eax
  movl %eax, %edx
  shll $5, %edx
  xorl %edx, %eax
  movl %eax, seed
  popl %edx
  ret

/* Four bytes each: opcode; which of its low bits are random; 80h after 0Fh, 40h these are a register of 16 or 32 bits,
   20h ModR/M, 1 or 2 an immediate; the field of ModR/M, Fh for any. */
.section .rodata
templates:
  .byte 0x00, 0x03, 0x20, 0xF
  .byte 0x08, 0x03, 0x20, 0xF
  .byte 0x10, 0x03, 0x20, 0xF
  .byte 0x18, 0x03, 0x20, 0xF
  .byte 0x20, 0x03, 0x20, 0xF
  .byte 0x28, 0x03, 0x20, 0xF
  .byte 0x30, 0x03, 0x20, 0xF
  .byte 0x38, 0x03, 0x20, 0xF
  .byte 0x84, 0x03, 0x20, 0xF
  .byte 0x88, 0x03, 0x20, 0xF
  .byte 0x88, 0x03, 0x20, 0xF
  .byte 0x8D, 0x00, 0x20, 0xF
  .byte 0x80, 0x00, 0x21, 0x0
  .byte 0x80, 0x00, 0x21, 0x5
  .byte 0x81, 0x00, 0x22, 0x2
  .byte 0x81, 0x00, 0x22, 0x6
  .byte 0x83, 0x00, 0x21, 0x3
  .byte 0x83, 0x00, 0x21, 0x7
  .byte 0xC6, 0x00, 0x21, 0x0
  .byte 0xC7, 0x00, 0x22, 0x0
  .byte 0x40, 0x07, 0x40, 0xF
  .byte 0x48, 0x07, 0x40, 0xF
  .byte 0x50, 0x07, 0x00, 0xF
  .byte 0x58, 0x07, 0x40, 0xF
  .byte 0xB0, 0x07, 0x01, 0xF
  .byte 0xB8, 0x07, 0x42, 0xF
  .byte 0x90, 0x07, 0x40, 0xF
  .byte 0x98, 0x01, 0x00, 0xF
  .byte 0x04, 0x00, 0x01, 0xF
  .byte 0x2D, 0x00, 0x02, 0xF
  .byte 0xA8, 0x00, 0x01, 0xF
  .byte 0xF6, 0x01, 0x20, 0x2
  .byte 0xF6, 0x01, 0x20, 0x3
  .byte 0xFE, 0x01, 0x20, 0x0
  .byte 0xFE, 0x01, 0x20, 0x1
  .byte 0xFF, 0x00, 0x20, 0x6
  .byte 0x8F, 0x00, 0x20, 0x0
  .byte 0xD0, 0x01, 0x20, 0x0
  .byte 0xD0, 0x01, 0x20, 0x1
  .byte 0xD0, 0x01, 0x20, 0x2
  .byte 0xD0, 0x01, 0x20, 0x3
  .byte 0xD0, 0x01, 0x20, 0x4
  .byte 0xD0, 0x01, 0x20, 0x5
  .byte 0xD0, 0x01, 0x20, 0x7
  .byte 0xB6, 0x09, 0xA0, 0xF
  .byte 0xB6, 0x08, 0xA0, 0xF
  .byte 0x40, 0x0F, 0xA0, 0xF
  .byte 0x90, 0x0F, 0xA0, 0xF
  .byte 0xA4, 0x01, 0x00, 0xF
  .byte 0xAA, 0x01, 0x00, 0xF
  .byte 0xAC, 0x01, 0x00, 0xF
  .byte 0xD7, 0x00, 0x00, 0xF
  .byte 0x68, 0x00, 0x02, 0xF
  .byte 0x6A, 0x00, 0x01, 0xF
  .byte 0xF8, 0x01, 0x00, 0xF
  .byte 0xF5, 0x00, 0x00, 0xF
  .byte 0xFC, 0x01, 0x00, 0xF
  .byte 0x9E, 0x00, 0x00, 0xF
TEMPLATES = (. - templates) / 4
overrides: .byte 0x26, 0x36, 0x3E, 0x64, 0x65, 0x26, 0x3E, 0x64

.data
.balign 4
seed: .long 0
digest: .long 0
remaining: .long 0
count: .long 0
flags: .long 0
registers: .skip 28
/* Not moved by what comes before: EIP is in the digest. */
.section .user, "awx"
program: .skip 1024
.text
