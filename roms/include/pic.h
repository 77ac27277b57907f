/* The 8259 of IRQ 0 to 7. 8259A data sheet. */

/* Initialises it: IRQ 0 gets `vector`; ICW4 is `mode` (1: the PC's, 3: automatic EOI); then it masks `mask`.
   Clobbers AL. */
.macro MASTER_8259 vector, mode=1, mask=0xFE
  movb $0x11, %al
  outb %al, $0x20
  movb $(\vector), %al
  outb %al, $0x21
  movb $4, %al
  outb %al, $0x21
  movb $(\mode), %al
  outb %al, $0x21
  movb $(\mask), %al
  outb %al, $0x21
.endm
