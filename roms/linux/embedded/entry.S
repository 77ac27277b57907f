/* Entry from exceptions and system calls, and the way back. There are no interrupts. */
.text
.code32

/* Each stub leaves (error code or 0, vector) on the stack: see `struct frame`. */
.macro stub vector, error=0
stub_\vector:
  .if \error == 0
  pushl $0
  .endif
  pushl $\vector
  jmp enter
.endm

.altmacro
.macro stubs first, last, error=0
  .set n, \first
  .rept \last - \first + 1
    stub %n, \error
    .set n, n + 1
  .endr
.endm
stubs 0, 7
stubs 8, 8, 1
stubs 9, 9
stubs 10, 14, 1
stubs 15, 16
stubs 17, 17, 1
stubs 18, 31

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
.macro entry vector
  .long stub_\vector
.endm
stub_table:
  .set n, 0
  .rept 32
    entry %n
    .set n, n + 1
  .endr
