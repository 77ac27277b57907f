/* Entry from exceptions and system calls, and the way back. There are no interrupts. */
#include "stubs.h"

.text
.code32
exception_stubs 31

enter:
  pushl %es
  pushl %ds
  pushal
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  cld
  pushl %esp
  call exception
  addl $4, %esp
  jmp leave_kernel

.globl system_call_entry
system_call_entry:
  pushl $0
  pushl $0x80
  pushl %es
  pushl %ds
  pushal
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  cld
  pushl %esp
  call system_call
  addl $4, %esp
leave_kernel:
  popal
  popl %ds
  popl %es
  addl $8, %esp
  iretl

/* Starts the program from a frame. */
.globl resume
resume:
  movl 4(%esp), %esp
  jmp leave_kernel

.section .rodata
.balign 4
.globl stub_table
stub_table:
  stub_addresses 31
