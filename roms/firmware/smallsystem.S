/* A small system of the kind that is written to learn: its boot sector loads it from a floppy or hard disk through
   INT 13h; it looks at the drive, enters protected mode with limited segments, lets the timer switch between three
   hardware tasks, returns to real mode and says on port E9h how it went. Sectors 48-63 of the disk are its to
   write. The user's numbers are in hexadecimal. Ends with a write to the debug-exit port. */

.set SECTORS, 48
.set SCRATCH, 0x2000  /* segment of a buffer of 64 KiB */
.set TICKS, 30

#include "pic.h"

.text
.code16
.globl _start
_start:
  ljmp $0, $1f
1:
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7C00, %sp
  sti
  cld
  movb %dl, drive
  pushw %es
  movb $8, %ah
  int $0x13
  popw %es
  jc failed
  andw $63, %cx
  movw %cx, track
  movzbw %dh, %ax
  incw %ax
  movw %ax, heads
  /* The rest of the system, sector by sector. */
  movw $1, %si
  movw $0x7E00, %bx
1:
  movb $2, %ah
  call transfer
  jc failed
  addw $512, %bx
  incw %si
  cmpw $SECTORS, %si
  jb 1b
  jmp loaded
failed:
  movb $'!', %al
  outb %al, $0xE9
  movb $2, %al
  outb %al, $0xF4
1:
  hlt
  jmp 1b

/* Function AH of INT 13h on the sector SI and ES:BX. Carry and AH as the firmware leaves them. */
transfer:
  pushw %bx
  pushw %cx
  pushw %dx
  pushw %ax
  movw %si, %ax
  xorw %dx, %dx
  divw track
  movw %dx, %cx
  incw %cx
  xorw %dx, %dx
  divw heads
  movb %al, %ch
  movb %dl, %dh
  movb drive, %dl
  popw %ax
  movb $1, %al
  int $0x13
  popw %dx
  popw %cx
  popw %bx
  ret

drive: .byte 0
track: .word 0
heads: .word 0
  .org 510
  .word 0xAA55

/* Keeps the flags. */
say:
  popw %bp
  pushfw
  pushw %ax
1:
  movb (%bp), %al
  incw %bp
  testb %al, %al
  jz 2f
  outb %al, $0xE9
  jmp 1b
2:
  popw %ax
  popfw
  jmp *%bp

#include "say.h"

/* Prints a blank and AX. */
hex16:
  pushaw
  movw %ax, %bx
  movb $' ', %al
  outb %al, $0xE9
  movw $4, %cx
1:
  rolw $4, %bx
  movb %bl, %al
  andb $15, %al
  cmpb $10, %al
  jb 2f
  addb $7, %al
2:
  addb $'0', %al
  outb %al, $0xE9
  loop 1b
  popaw
  ret

/* Prints the carry flag and AH. */
result:
  pushw %ax
  movb %ah, %al
  movb $0, %ah
  adcb $0, %ah
  call hex16
  LINE
  popw %ax
  ret

loaded:
  movw $end_mark, %bx
  SAY "loaded"
  movw (%bx), %ax
  call hex16
  LINE
  SAY "drive"
  movzbw drive, %ax
  call hex16
  movw track, %ax
  call hex16
  movw heads, %ax
  call hex16
  LINE
  movb $0x15, %ah
  movb drive, %dl
  int $0x13
  SAY "type"
  call result

/* Writes sectors 48-63, verifies them, reads them back into another buffer and compares. */
  movw $SCRATCH, %ax
  movw %ax, %es
  xorw %di, %di
  movw $0x1234, %ax
1:
  stosw
  imulw $25173, %ax, %ax
  addw $13849, %ax
  cmpw $16 * 512, %di
  jb 1b
  movw $48, %si
  xorw %bx, %bx
1:
  movb $3, %ah
  call transfer
  jc write_failed
  movb $4, %ah
  call transfer
  jc write_failed
  pushw %bx
  addw $0x8000, %bx
  movb $2, %ah
  call transfer
  popw %bx
  jc write_failed
  addw $512, %bx
  incw %si
  cmpw $64, %si
  jb 1b
  pushw %ds
  movw $SCRATCH, %ax
  movw %ax, %ds
  xorw %si, %si
  movw $0x8000, %di
  movw $16 * 512 / 2, %cx
  repe cmpsw
  popw %ds
  jne write_failed
  SAY "written"
  LINE
  jmp 1f
write_failed:
  SAY "write failed"
  call result
1:
/* A track at once, across the heads on a floppy. */
  movb drive, %dl
  movw $0x0001, %cx
  movb $0, %dh
  movw track, %ax
  movb $2, %ah
  xorw %bx, %bx
  int $0x13
  SAY "track"
  call result
  SAY "first"
  movw %es:510, %ax
  call hex16
  LINE
/* A sector that there is not. */
  movw $0x0201, %ax
  movw $0x00FF, %cx
  movb $0, %dh
  movb drive, %dl
  int $0x13
  SAY "beyond"
  call result
  testb $0x80, drive
  jz no_extensions

/* INT 13h extensions: parameters, then reading sector 0 and writing sector 63 by block number. */
  movb $0x41, %ah
  movw $0x55AA, %bx
  movb drive, %dl
  int $0x13
  jc no_extensions
  SAY "extensions"
  movw %bx, %ax
  call hex16
  movw $30, parameters
  movb $0x48, %ah
  movb drive, %dl
  movw $parameters, %si
  int $0x13
  movw parameters + 16, %ax
  call hex16
  movw parameters + 24, %ax
  call hex16
  LINE
  movw $0x10, packet
  movw $64, packet + 2
  movw $0, packet + 4
  movw $SCRATCH, packet + 6
  movl $0, packet + 8
  movl $0, packet + 12
  movb $0x42, %ah
  movb drive, %dl
  movw $packet, %si
  int $0x13
  SAY "read"
  call result
  SAY "last"
  movw %es:63 * 512, %ax
  call hex16
  LINE
  movw $1, packet + 2
  movl $63, packet + 8
  movw $0xBEEF, %es:0
  movb $0x43, %ah
  movb $0, %al
  movb drive, %dl
  movw $packet, %si
  int $0x13
  SAY "write"
  call result
  movl $0x7FFFFFFF, packet + 8
  movb $0x42, %ah
  movb drive, %dl
  movw $packet, %si
  int $0x13
  SAY "outside"
  call result
no_extensions:

/* Protected mode: the 8259s to vectors 20h-2Fh, all but the timer masked. */
  cli
  lgdtl gdt_pointer
  lidtl idt_pointer
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $0x08, $protected
.code32
protected:
  movw $0x10, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $0x7C00, %esp
  MASTER_8259 0x20
  movb $0x34, %al  /* 1000 Hz */
  outb %al, $0x43
  movb $0xA9, %al
  outb %al, $0x40
  movb $0x04, %al
  outb %al, $0x40
  /* The segment of 4 KiB ends where it says. */
  movw $0x18, %ax
  movw %ax, %fs
  movl %fs:0xFFC, %eax
  movl $beyond_limit, resume
beyond_limit:
  movl $1f, resume
  movl %fs:0xFFD, %eax
  movl $~0, faults
1:
  movw $0x28, %ax
  ltrw %ax
  sti
1:
  hlt
  cmpl $TICKS, ticks
  jb 1b
  cli
  clts
  /* Back to real mode through segments of 64 KiB. */
  ljmpl $0x20, $sixteen
.code16
sixteen:
  movw $0x48, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw %ax, %fs
  movl %cr0, %eax
  andb $0xFE, %al
  movl %eax, %cr0
  ljmp $0, $real
real:
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw %ax, %fs
  lidtl real_idt_pointer
  MASTER_8259 0x08, mask=0xB8
  movb $0x34, %al
  outb %al, $0x43
  xorb %al, %al
  outb %al, $0x40
  outb %al, $0x40
  sti
  SAY "faults"
  movw faults, %ax
  call hex16
  movw fault_vector, %ax
  call hex16
  LINE
  SAY "tasks"
  movw runs, %ax
  call hex16
  movw runs + 4, %ax
  call hex16
  movw runs + 8, %ax
  call hex16
  LINE
  /* The firmware's clock goes on: wait for two ticks, then read the disk once more. */
  movl 0x46C, %eax
  addl $2, %eax
1:
  hlt
  cmpl %eax, 0x46C
  jb 1b
  movw $SCRATCH, %ax
  movw %ax, %es
  xorw %bx, %bx
  movw $47, %si
  movb $2, %ah
  call transfer
  SAY "again"
  call result
  movw $done, %si
1:
  lodsb
  testb %al, %al
  jz 2f
  movb $0x0E, %ah
  movw $7, %bx
  int $0x10
  jmp 1b
2:
  xorb %al, %al
  outb %al, $0xF4
1:
  hlt
  jmp 1b
done: .asciz "The small system is done.\r\n"

.code32
/* Timer: the next of the tasks goes on. Runs in the interrupted task. */
timer:
  pushl %eax
  pushl %ds
  movw $0x10, %ax
  movw %ax, %ds
  movb $0x20, %al
  outb %al, $0x20
  incl ticks
  movl running, %eax
  incl %eax
  cmpl $3, %eax
  jb 1f
  xorl %eax, %eax
1:
  movl %eax, running
  incl runs(, %eax, 4)
  cmpl $1, %eax
  je 2f
  ja 3f
  popl %ds
  popl %eax
  ljmpl $0x28, $0
  iretl
2:
  popl %ds
  popl %eax
  ljmpl $0x30, $0
  iretl
3:
  popl %ds
  popl %eax
  ljmpl $0x38, $0
  iretl

/* Two tasks that keep a value in every register and check it. */
worker:
  cmpl %eax, %ebx
  jne wrong
  cmpl %eax, %ecx
  jne wrong
  cmpl %eax, %edi
  jne wrong
  addl $0x01010101, %eax
  addl $0x01010101, %ebx
  addl $0x01010101, %ecx
  addl $0x01010101, %edi
  jmp worker
wrong:
  movl $0x0BAD, runs
  cli
  hlt

/* #GP: noted, and the system goes on behind. */
general_protection:
  addl $4, %esp
  incl faults
  movl $13, fault_vector
  pushl %eax
  movl resume, %eax
  movl %eax, 4(%esp)
  popl %eax
  iretl

unexpected:
  movb $'?', %al
  outb %al, $0xE9
  movb $3, %al
  outb %al, $0xF4
  cli
  hlt

.balign 8
.set TSS_TYPE, 0x8900
.macro TSS_DESCRIPTOR address
  .word 103, \address, TSS_TYPE, 0
.endm
gdt:
  .quad 0
  .quad 0x00CF9A000000FFFF  /* 08: code, flat */
  .quad 0x00CF92000000FFFF  /* 10: data, flat */
  .quad 0x0040920000000FFF  /* 18: data, 4 KiB */
  .quad 0x00009A000000FFFF  /* 20: code, 16 bits */
  TSS_DESCRIPTOR tss_0      /* 28 */
  TSS_DESCRIPTOR tss_1      /* 30 */
  TSS_DESCRIPTOR tss_2      /* 38 */
  .quad 0                   /* 40 */
  .quad 0x000092000000FFFF  /* 48: data, 16 bits */
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt
idt_pointer:
  .word 0x21 * 8 - 1
  .long idt
real_idt_pointer:
  .word 0x3FF
  .long 0
.balign 8
idt:
.rept 13
  .word unexpected, 0x08, 0x8E00, 0
.endr
  .word general_protection, 0x08, 0x8E00, 0
.rept 18
  .word unexpected, 0x08, 0x8E00, 0
.endr
  .word timer, 0x08, 0x8E00, 0

/* Link, stacks of inner rings, CR3; EIP, EFLAGS, eight registers; six segments, LDT, I/O map. */
.macro TSS value, stack
  .long 0, 0, 0, 0, 0, 0, 0, 0
  .long worker, 0x202, \value, \value, 0, \value, \stack, 0, 0, \value
  .long 0x10, 0x08, 0x10, 0x10, 0, 0
  .long 0, 104 << 16
.endm
tss_0: TSS 0, 0
tss_1: TSS 0x11111111, 0x9000 + 0x8000
tss_2: TSS 0x22222222, 0xA000 + 0x8000
resume: .long 0
faults: .long 0
fault_vector: .long 0
ticks: .long 0
running: .long 0
runs: .long 0, 0, 0
.balign 4
parameters: .fill 32
packet: .fill 16
.org SECTORS * 512 - 2
end_mark: .word 0x600D
