/* Entry from interrupts, exceptions and system calls, and the way back. */
#include "stubs.h"

.text
.code32
exception_stubs 47
stub 128

enter:
  pushl %ds
  pushal
  movw $0x10, %ax
  movw %ax, %ds
  movw %ax, %es
  cld
  movl %esp, %eax
  pushl %eax
  call handle
/* EAX is the frame to go on with, perhaps on another task's stack. */
.globl resume
resume:
  movl %eax, %esp
  popal
  popl %ds
  pushl %ds
  popl %es
  addl $8, %esp
  iretl

/* What runs when no task can. */
.globl idle
idle:
  hlt
  jmp idle

.section .rodata
.balign 4
.globl stub_table
stub_table:
  stub_addresses 47
  .long stub_128
