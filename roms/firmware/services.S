/* An expansion ROM that uses the services of the firmware in real mode as a boot loader or a small system does, and
   says on port E9h what they answered. Its user compares, looks at the screen at each line that begins with "show",
   presses keys after "keys" and moves the mouse after "mouse". Ends with a write to the debug-exit port. */

.set SCRATCH, 0x2000  /* segment of RAM that the ROM may use */

.text
.code16
header:
  .byte 0x55, 0xAA, 16  /* 8 KiB; whoever loads it corrects the checksum */
  jmp initialize
  .org 0x1A
  .word plug_and_play
/* Plug and Play BIOS Specification 1.0A, 3.2: a device that a system can be booted from, at `start`. */
plug_and_play:
  .ascii "$PnP"
  .byte 1, 2
  .word 0
  .byte 0, 0
  .long 0
  .word name, name
  .byte 0, 0, 0, 0x14
  .word 0, 0, start, 0, 0
name:
  .asciz "services"
initialize:
  movw $0x20, %ax  /* a boot device is there */
  lretw

say:
  popw %si
  pushw %ax
1:
  movb %cs:(%si), %al
  incw %si
  testb %al, %al
  jz 2f
  outb %al, $0xE9
  jmp 1b
2:
  popw %ax
  jmp *%si

#include "say.h"

/* Prints a blank and EAX, AX or AL in hexadecimal. */
hex32:
  pushl %eax
  pushl %eax
  movb $' ', %al
  outb %al, $0xE9
  popl %eax
  pushl %eax
  shrl $16, %eax
  call digits4
  popl %eax
  call digits4
  popl %eax
  ret
hex16:
  pushw %ax
  pushw %ax
  movb $' ', %al
  outb %al, $0xE9
  popw %ax
  call digits4
  popw %ax
  ret
digits4:
  pushw %cx
  pushw %ax
  movw $4, %cx
1:
  rolw $4, %ax
  pushw %ax
  andb $15, %al
  cmpb $10, %al
  jb 2f
  addb $7, %al
2:
  addb $'0', %al
  outb %al, $0xE9
  popw %ax
  loop 1b
  popw %ax
  popw %cx
  ret

start:
  movw %cs, %ax
  movw %ax, %ds
  movw $SCRATCH, %ax
  movw %ax, %es
  sti
  cld

/* Memory. */
  int $0x12
  SAY "conventional"
  call hex16
  LINE
  movb $0x88, %ah
  int $0x15
  SAY "extended"
  call hex16
  LINE
  movw $0xE801, %ax
  int $0x15
  SAY "e801"
  call hex16
  movw %bx, %ax
  call hex16
  LINE
  xorl %ebx, %ebx
next_range:
  movl $0xE820, %eax
  movl $20, %ecx
  movl $0x534D4150, %edx
  xorw %di, %di
  int $0x15
  jc ranges_done
  SAY "range"
  movl %es:0, %eax
  call hex32
  movl %es:8, %eax
  call hex32
  movl %es:16, %eax
  call hex32
  LINE
  testl %ebx, %ebx
  jnz next_range
ranges_done:
  int $0x11
  SAY "equipment"
  call hex16
  LINE

/* Clock: date, time, and that ticks go on. */
  movb $4, %ah
  int $0x1A
  SAY "date"
  movw %cx, %ax
  call hex16
  movw %dx, %ax
  call hex16
  LINE
  movb $2, %ah
  int $0x1A
  SAY "time"
  movw %cx, %ax
  call hex16
  LINE
  xorb %ah, %ah
  int $0x1A
  movw %dx, %bp
  addw $3, %bp
1:
  hlt
  xorb %ah, %ah
  int $0x1A
  cmpw %bp, %dx
  jb 1b
  SAY "ticks"
  LINE
/* A pause of 20 ms by the periodic interrupt of the real-time clock. */
  movb $0x86, %ah
  xorw %cx, %cx
  movw $20000, %dx
  int $0x15
  jc 1f
  SAY "wait"
  LINE
1:

/* Standard graphics modes: 16 pixels, the last one read back. */
  movw $modes, %si
next_mode:
  lodsb
  testb %al, %al
  jz modes_done
  pushw %si
  xorb %ah, %ah
  movw %ax, %bp
  int $0x10
  xorw %dx, %dx
1:
  movb %dl, %al
  movb $0x0C, %ah
  xorb %bh, %bh
  movw %dx, %cx
  addw %cx, %cx
  int $0x10
  incw %dx
  cmpw $16, %dx
  jb 1b
  movb $0x0D, %ah
  xorb %bh, %bh
  movw $14, %cx
  movw $7, %dx
  int $0x10
  movb %al, %bl
  SAY "show mode"
  movw %bp, %ax
  call hex16
  movb %bl, %al
  xorb %ah, %ah
  call hex16
  LINE
  popw %si
  jmp next_mode
modes_done:

/* VBE modes: the bytes 0-255 at the start of the first and of the last line of the linear framebuffer. */
  movw $SCRATCH, %ax
  movw %ax, %es
  xorw %di, %di
1:
  movw %di, %ax
  movb %al, %es:0x1000(%di)
  incw %di
  cmpw $256, %di
  jb 1b
  movl $0x32454256, %es:0
  movw $0x4F00, %ax
  xorw %di, %di
  int $0x10
  SAY "vbe"
  call hex16
  movl %es:0, %eax
  call hex32
  movw %es:4, %ax
  call hex16
  LINE
  movw $vbe_modes, %si
next_vbe:
  lodsw
  testw %ax, %ax
  jz vbe_done
  pushw %si
  movw %ax, %bp
  movw %ax, %cx
  movw $0x4F01, %ax
  xorw %di, %di
  int $0x10
  movw %bp, %bx
  orw $0x4000, %bx
  movw $0x4F02, %ax
  int $0x10
  movl %es:0x28, %edi
  call copy_pattern
  movzwl %es:0x10, %eax
  movzwl %es:0x14, %ecx
  decl %ecx
  mull %ecx
  addl %eax, %edi
  call copy_pattern
  SAY "show vbe"
  movw %bp, %ax
  call hex16
  movw %es:0x12, %ax
  call hex16
  movw %es:0x14, %ax
  call hex16
  movzbw %es:0x19, %ax
  call hex16
  movl %es:0x28, %eax
  call hex32
  LINE
  popw %si
  jmp next_vbe
vbe_done:
/* A line of twice the width, and the picture moved by three lines and two pixels. */
  movw $0x4F02, %ax
  movw $0x4111, %bx
  int $0x10
  movw $0x4F06, %ax
  xorb %bl, %bl
  movw $1280, %cx
  int $0x10
  pushw %bx
  movzwl %bx, %eax
  leal (%eax, %eax, 2), %eax
  movl %es:0x28, %edi
  addl %eax, %edi
  call copy_pattern
  movw $0x4F07, %ax
  xorw %bx, %bx
  movw $2, %cx
  movw $3, %dx
  int $0x10
  SAY "show panned"
  popw %ax
  call hex16
  LINE

/* Text. */
  movw $0x0003, %ax
  int $0x10
  movw $hello, %si
1:
  lodsb
  testb %al, %al
  jz 2f
  movb $0x0E, %ah
  movw $7, %bx
  int $0x10
  jmp 1b
2:
  movw $0x0200, %ax
  xorw %bx, %bx
  movw $0x050A, %dx  /* row 5, column 10 */
  int $0x10
  movw $0x09DB, %ax
  movw $0x00CE, %bx  /* yellow on light red, or blinking on red */
  movw $2, %cx
  int $0x10
  movw $0x0100, %ax
  movw $0x0307, %cx
  int $0x10
  movw $0x0200, %ax
  xorw %bx, %bx
  movw $0x0C0B, %dx
  int $0x10
  movw $0x1003, %ax
  xorw %bx, %bx
  int $0x10
  SAY "show text"
  LINE
  movw $0x1112, %ax
  xorw %bx, %bx
  int $0x10
  SAY "show rows"
  LINE
  movw $0x0001, %ax
  int $0x10
  SAY "show columns"
  LINE
  /* The firmware programs the CRTC at the addresses that the mode before has put out of reach. */
  movw $0x0003, %ax
  int $0x10
  movw $0x0007, %ax
  int $0x10
  movw $0x0941, %ax
  movw $0x0001, %bx  /* underlined, in row 13 */
  movw $1, %cx
  int $0x10
  movw $0x3B4, %dx
  movw $0x0D14, %ax
  outw %ax, %dx
  SAY "show monochrome"
  LINE
  movw $0x0003, %ax
  int $0x10

/* Keyboard. */
  SAY "keys"
  LINE
  movw $4, %cx
1:
  xorb %ah, %ah
  int $0x16
  SAY "key"
  call hex16
  LINE
  loop 1b

/* Mouse. */
  movw $0xC205, %ax
  movb $3, %bh
  int $0x15
  jc no_mouse
  movw $0xC207, %ax
  movw %cs, %cx
  pushw %es
  movw %cx, %es
  movw $mouse_handler, %bx
  int $0x15
  popw %es
  movw $0xC200, %ax
  movb $1, %bh
  int $0x15
  jc no_mouse
  movb $0, %es:0x2000
  SAY "mouse"
  LINE
1:
  hlt
  cmpb $2, %es:0x2000
  jb 1b
no_mouse:
  xorb %al, %al
  outb %al, $0xF4
1:
  hlt
  jmp 1b

/* Called by the firmware with status, x, y and z as words. */
mouse_handler:
  pushw %bp
  movw %sp, %bp
  pushal
  pushw %es
  SAY "moved"
  movw 12(%bp), %ax
  call hex16
  movw 10(%bp), %ax
  call hex16
  movw 8(%bp), %ax
  call hex16
  LINE
  movw $SCRATCH, %ax
  movw %ax, %es
  incb %es:0x2000
  popw %es
  popal
  popw %bp
  lretw

/* Copies 256 bytes from the scratch segment's 1000h to physical EDI by INT 15h AH=87h. */
copy_pattern:
  pushal
  movl %edi, %eax
  xorw %di, %di
  movw $0x3000, %di
  pushl %eax
  xorl %eax, %eax
  movw $12, %cx
  rep stosl
  popl %eax
  movw $0xFFFF, %es:0x3010
  movl $0x93000000 | (SCRATCH << 4) + 0x1000, %es:0x3012
  movw $0xFFFF, %es:0x3018
  movw %ax, %es:0x301A
  shrl $16, %eax
  movb %al, %es:0x301C
  movb $0x93, %es:0x301D
  movb %ah, %es:0x301F
  movw $0x3000, %si
  movw $128, %cx
  movb $0x87, %ah
  int $0x15
  jnc 1f
  SAY "copy failed"
  LINE
1:
  popal
  ret

modes:
  .byte 0x04, 0x06, 0x0D, 0x0E, 0x10, 0x11, 0x12, 0x13, 0
vbe_modes:
  .word 0x101, 0x110, 0x111, 0x112, 0x118, 0x11C, 0x142, 0x147, 0
hello:
  .asciz "Hello, screen\r\n\tand\x07 bell"
