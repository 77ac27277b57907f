/* Not a test by itself but the guest of the tests of counters: does everything a known number of times. 1000 writes to
   port E9h, 250 reads of port 61h, 12 halts that the timer's interrupt ends, then the debug exit with 16. */
#include "reset.h"
#include "pic.h"

main16:
  movw $1000, %cx
1:
  outb %al, $0xE9
  loop 1b
  movw $250, %cx
1:
  inb $0x61, %al
  loop 1b

  /* The master 8259 with IRQ 0 as vector 8 alone: 5 writes. The 8254's counter 0 at its slowest: 3 writes. */
  MASTER_8259 8
  movb $0x34, %al
  outb %al, $0x43
  movb $0xFF, %al
  outb %al, $0x40
  outb %al, $0x40
  movw $tick, 0x20
  movw $0, 0x22

  movw $12, %cx
1:
  sti
  hlt
  loop 1b
  cli
  movw $0xF4, %dx
  movb $16, %al
  outb %al, %dx
1:
  hlt
  jmp 1b

tick:
  pushw %ax
  movb $0x20, %al
  outb %al, $0x20
  popw %ax
  iretw
