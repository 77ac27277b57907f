/* The entry of the init program: the kernel leaves the argument count at ESP. */
.code32
.text
.globl _start
_start:
  xorl %ebp, %ebp
  andl $-16, %esp
  call init_main
  ud2
