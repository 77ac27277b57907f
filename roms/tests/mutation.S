/* Random programs that change themselves all the time: operands, opcodes and jumps, before and behind the
   instruction that is running, on one page and across two. The expected digests of what they compute are those of
   Bochs 2.7 and QEMU 7.2. */
#include "test.h"

#define BUFFER 0x40000
#define SLOTS 128
#define SLOT 16
#define NOP 0x90

.macro CASES name, want
  movl $200, remaining
  call run_cases
  CHECK "\name", digest, $\want
.endm

TESTS
  movl $0xC0FFEE11, seed
  CASES "programs that change themselves, group 1", 0x7D10F5CF
  CASES "programs that change themselves, group 2", 0x5F8EADBD
  CASES "programs that change themselves, group 3", 0x358401CD
  CASES "programs that change themselves, group 4", 0xBBFBDC20
  CASES "programs that change themselves, group 5", 0xDF7D11F3
FINISH

/* EDI: the program; EBP: the number of a slot. */
run_cases:
  cld
  call random
  andl $0xFFF, %eax
  addl $BUFFER, %eax
  movl %eax, program
  /* What each slot is: 0-3 arithmetic, 4-6 a store, 7 a jump. */
  xorl %ebp, %ebp
1:
  call random
  andl $7, %eax
  movb %al, kinds(%ebp)
  incl %ebp
  cmpl $SLOTS, %ebp
  jb 1b
  /* All NOPs, then the slots. */
  movl program, %edi
  movb $NOP, %al
  movl $(SLOTS + 2) * SLOT, %ecx
  rep stosb
  xorl %ebp, %ebp
2:
  movl %ebp, %edi
  shll $4, %edi
  addl program, %edi
  call random
  movzbl kinds(%ebp), %ebx
  cmpl $4, %ebx
  jb arithmetic
  cmpl $7, %ebx
  jb store
  /* JMP over the rest of this slot, or over the next one, too. */
  movb $0xEB, (%edi)
  andl $16, %eax
  addl $SLOT - 2, %eax
  movb %al, 1(%edi)
  jmp next_slot
arithmetic:
  movl %eax, 1(%edi)
  call random_opcode
  movb %al, (%edi)
  jmp next_slot
store:
  /* MOV [a byte of another slot], imm8. */
  andl $SLOTS - 1, %eax
  movzbl kinds(%eax), %ebx
  shll $4, %eax
  addl program, %eax
  movl %eax, %edx
  movw $0x05C6, (%edi)
  cmpl $4, %ebx
  jb 3f
  cmpl $7, %ebx
  je 4f
  /* A store: only the NOPs behind it. */
  addl $12, %edx
  movl $NOP, %ebx
  jmp 5f
4:
  incl %edx
  call random
  andl $16, %eax
  leal SLOT - 2(%eax), %ebx
  jmp 5f
3:
  call random
  movl %eax, %ebx
  andl $7, %eax
  jz 6f
  cmpl $4, %eax
  ja 7f
  /* A byte of the operand. */
  addl %eax, %edx
  shrl $8, %ebx
  jmp 5f
6:
  call random_opcode
  movl %eax, %ebx
5:
  movl %edx, 2(%edi)
  movb %bl, 6(%edi)
  jmp next_slot
7:
  /* The whole operand: MOV [], imm32. */
  incl %edx
  movw $0x05C7, (%edi)
  movl %edx, 2(%edi)
  movl %ebx, 6(%edi)
next_slot:
  incl %ebp
  cmpl $SLOTS, %ebp
  jb 2b
  /* DEC ECX; JNZ to the start; RET. */
  movl program, %edi
  addl $(SLOTS + 2) * SLOT, %edi
  movb $0x49, (%edi)
  movw $0x850F, 1(%edi)
  movl program, %eax
  subl %edi, %eax
  subl $7, %eax
  movl %eax, 3(%edi)
  movb $0xC3, 7(%edi)
  xorl %eax, %eax
  movl $16, %ecx
  movl program, %edx
  call *%edx
  xorl digest, %eax
  imull $0x01000193, %eax, %eax
  roll $7, %eax
  movl %eax, digest
  decl remaining
  jnz run_cases
  ret

/* ADD, SUB or XOR of EAX with an operand of 32 bits. */
random_opcode:
  call random
  andl $3, %eax
  movzbl opcodes(%eax), %eax
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

.data
.balign 4
opcodes: .byte 0x05, 0x2D, 0x35, 0x05
seed: .long 0
digest: .long 0
remaining: .long 0
program: .long 0
.bss
kinds: .skip SLOTS
.text
