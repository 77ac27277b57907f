/* Not a test by itself but the guest of the window's tests: a true-colour picture through the Bochs display interface,
   and every byte of the keyboard controller told on COM1 ("k1E" from the keyboard, "m08" from the mouse).
   Some keys do something besides: F9 goes to 320x200 with 256 colours, F10 to 800x600 with 65536, F11 starts a tone of
   440 Hz, F12 stops it. */
#include "reset.h"

.macro OUTPUT port, value
  movw $\port, %dx
  movb $\value, %al
  outb %al, %dx
.endm
.macro DISPI index, value
  movw $0x1CE, %dx
  movw $\index, %ax
  outw %ax, %dx
  incw %dx
  movw $\value, %ax
  outw %ax, %dx
.endm
.macro REGISTER port, index, value
  movw $\port, %dx
  movw $(\value << 8 | \index), %ax
  outw %ax, %dx
.endm

main16:
  OUTPUT 0x3FB, 0x80
  OUTPUT 0x3F8, 1
  OUTPUT 0x3F9, 0
  OUTPUT 0x3FB, 3
  OUTPUT 0x3FA, 7

  /* Mouse on, interrupts off (nobody handles them), translation on. */
  movb $0xA8, %al
  call command
  movb $0x60, %al
  call command
  movb $0x44, %al
  call send
  movb $0xD4, %al
  call command
  movb $0xF4, %al
  call send
1:
  inb $0x64, %al
  testb $1, %al
  jz 1b
  inb $0x60, %al

  DISPI 4, 0
  DISPI 1, 640
  DISPI 2, 480
  DISPI 3, 32
  DISPI 4, 1
  movw $19, %cx
  call paint
  movw $ready, %si
  call print

main_loop:
  inb $0x64, %al
  testb $1, %al
  jz main_loop
  movb %al, %ah
  inb $0x60, %al
  movb %al, %bl
  movb $'k', %cl
  testb $0x20, %ah
  jz 1f
  movb $'m', %cl
1:
  movb %cl, %al
  call put
  movb %bl, %al
  shrb $4, %al
  call digit
  movb %bl, %al
  andb $15, %al
  call digit
  movb $10, %al
  call put
  cmpb $'k', %cl
  jne main_loop
  cmpb $0x43, %bl
  je small_mode
  cmpb $0x44, %bl
  je other_mode
  cmpb $0x57, %bl
  je tone_on
  cmpb $0x58, %bl
  je tone_off
  jmp main_loop

other_mode:
  DISPI 4, 0
  DISPI 1, 800
  DISPI 2, 600
  DISPI 3, 16
  DISPI 4, 1
  movw $15, %cx
  call paint
  jmp main_loop

tone_on:
  OUTPUT 0x43, 0xB6
  OUTPUT 0x42, 0x97
  OUTPUT 0x42, 0x0A
  OUTPUT 0x61, 3
  jmp main_loop
tone_off:
  OUTPUT 0x61, 0
  jmp main_loop

/* Mode 13h from mode 3, as far as they differ. */
small_mode:
  DISPI 4, 0
  OUTPUT 0x3C2, 0x63
  REGISTER 0x3C4, 1, 0x01
  REGISTER 0x3C4, 2, 0x0F
  REGISTER 0x3C4, 4, 0x0E
  REGISTER 0x3D4, 0x11, 0x0E
  REGISTER 0x3D4, 0x09, 0x41
  REGISTER 0x3D4, 0x14, 0x40
  REGISTER 0x3D4, 0x17, 0xA3
  REGISTER 0x3CE, 5, 0x40
  REGISTER 0x3CE, 6, 0x05
  movw $0x3DA, %dx
  inb %dx, %al
  OUTPUT 0x3C0, 0x30
  OUTPUT 0x3C0, 0x41
  movw $0xA000, %ax
  movw %ax, %es
  xorw %di, %di
1:
  movw %di, %ax
  movw %di, %bx
  shrw $8, %bx
  addb %bl, %al
  andb $63, %al
  stosb
  cmpw $64000, %di
  jb 1b
  jmp main_loop

/* Fills CX banks of 64 KiB with a pattern in which all words differ for long. */
paint:
  xorl %ebx, %ebx
2:
  movw $0x1CE, %dx
  movw $5, %ax
  outw %ax, %dx
  incw %dx
  movl %ebx, %eax
  shrl $16, %eax
  outw %ax, %dx
  movw $0xA000, %ax
  movw %ax, %es
  xorw %di, %di
1:
  imull $2654435, %ebx, %eax
  shrl $3, %eax
  stosl
  addl $4, %ebx
  testw %di, %di
  jnz 1b
  loop 2b
  ret

/* Waits until the keyboard controller takes a byte, then sends AL as a command or as data. */
command:
  call wait_input
  outb %al, $0x64
  ret
send:
  call wait_input
  outb %al, $0x60
  ret
wait_input:
  movb %al, %ah
1:
  inb $0x64, %al
  testb $2, %al
  jnz 1b
  movb %ah, %al
  ret

print:
  lodsb
  testb %al, %al
  jz 1f
  call put
  jmp print
1:
  ret
digit:
  addb $'0', %al
  cmpb $'9', %al
  jbe put
  addb $7, %al
put:
  movb %al, %ch
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $0x20, %al
  jz 1b
  movb %ch, %al
  movw $0x3F8, %dx
  outb %al, %dx
  ret

ready:
  .asciz "ready\n"
