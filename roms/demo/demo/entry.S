/* Entry from interrupts, exceptions and system calls, and the way back. */
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
stubs 18, 47
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
.macro entry vector
  .long stub_\vector
.endm
stub_table:
  .set n, 0
  .rept 48
    entry %n
    .set n, n + 1
  .endr
  .long stub_128
