/* The demonstration guest, first part: from reset through real mode to protected mode. The kernel is in demo/. */
#include "reset.h"

main16:
  call open_serial
  movw $real_mode_text, %si
  call print16

  /* A20 by the fast gate of port 92h; bit 0 would reset the machine. */
  inb $0x92, %al
  orb $2, %al
  andb $0xFE, %al
  outb %al, $0x92

  lgdtl gdt_pointer
  movl %cr0, %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl $0x08, $main32

/* COM1: 115200 baud, 8N1, FIFOs on. */
open_serial:
  movw $serial_settings, %si
1:
  lodsw
  testw %ax, %ax
  jz 2f
  movb %al, %dl
  movb $0x03, %dh
  movb %ah, %al
  outb %al, %dx
  jmp 1b
2:
  ret

/* Prints the text at SI on COM1. */
print16:
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $0x20, %al
  jz 1b
  lodsb
  testb %al, %al
  jz 2f
  movb $0xF8, %dl
  outb %al, %dx
  jmp print16
2:
  ret

serial_settings:
  /* Low byte of the port, value; the list ends with 0. */
  .byte 0xF9, 0x00, 0xFB, 0x80, 0xF8, 0x01, 0xF9, 0x00, 0xFB, 0x03, 0xFA, 0x07, 0xFC, 0x0B, 0, 0
real_mode_text:
  .asciz "demo: real mode\r\n"

.code32
main32:
  movw $0x10, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $bss_start, %edi
  movl $bss_end, %ecx
  subl %edi, %ecx
  xorl %eax, %eax
  rep stosb
  movl $boot_stack_end, %esp
  call kernel_main
  ud2

.balign 8
.globl gdt
gdt:
  .quad 0
  .quad 0x00CF9A000000FFFF  /* 08: kernel code */
  .quad 0x00CF92000000FFFF  /* 10: kernel data */
  .quad 0x00CFFA000000FFFF  /* 18: user code */
  .quad 0x00CFF2000000FFFF  /* 20: user data */
  .quad 0                   /* 28: TSS, filled in by the kernel */
gdt_pointer:
  .word . - gdt - 1
  .long gdt

.bss
.balign 16
  .skip 4096
boot_stack_end:
