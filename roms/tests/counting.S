/* Not a test by itself but the guest of the tests of counters: does each of these as often as its parameter says, and
   nothing of it otherwise. A test finds the parameters behind the marker below and sets them. */
#include "test.h"
#include "pages.h"

#define APIC 0xFEE00000
#define IO_APIC 0xFEC00000
#define CODE_PAGE 0x180000
#define FUNCTIONS 0x190000
#define CHAIN 0x300000
/* The parameters are counted down in a page without code: writes to pages with code are events of their own. */
#define marks FREE_MEMORY
#define local_ticks (FREE_MEMORY + 4)
#define ticks (FREE_MEMORY + 8)
#define faults (FREE_MEMORY + 12)
#define calls (FREE_MEMORY + 16)
#define work (FREE_MEMORY + 20)
#define identifications (FREE_MEMORY + 24)
#define changes (FREE_MEMORY + 28)
#define functions (FREE_MEMORY + 32)
#define links (FREE_MEMORY + 36)
/* Calls of code that is to be translated: more than the entries before a translation. */
#define CALLS 20

/* Repeats what follows, up to AGAIN of the same name, as often as the parameter says. */
.macro REPEAT name, parameter
.Lnext_\name:
  decl \parameter
  js .Lend_\name
.endm
.macro AGAIN name
  jmp .Lnext_\name
.Lend_\name:
.endm
/* As many interrupts of the timer that has been started, each in a HLT of its own. */
.macro TICKS name, parameter
  REPEAT \name, \parameter
  sti
  hlt
  AGAIN \name
  cli
.endm

TESTS
  cld
  movl $parameters, %esi
  movl $FREE_MEMORY, %edi
  movl $10, %ecx
  rep movsl
  /* Marks (benchmarks/include/switchback.h) that mean nothing. */
  REPEAT each_marks, marks
  movl $0x40534D4B, %eax
  xorl %ecx, %ecx
  cpuid
  AGAIN each_marks

  /* Ticks of the local APIC's timer: its EOI and five other writes. */
  IDT_GATE 0x50, local_tick
  cmpl $0, local_ticks
  je 1f
  movl $0x1FF, APIC + 0xF0
  movl $0xB, APIC + 0x3E0
  movl $0x20050, APIC + 0x320
  movl $100000, APIC + 0x380
  TICKS each_local_ticks, local_ticks
  movl $0x10000, APIC + 0x320
1:

  /* Ticks of the 8254 by the I/O APIC: six writes of its registers and one read, three of the 8254's; an EOI each and one
     other of the local APIC's. */
  IDT_GATE 0x51, local_tick
  cmpl $0, ticks
  je 1f
  movl $0x1FF, APIC + 0xF0
  movl $0x15, IO_APIC
  movl $0, IO_APIC + 0x10
  movl $0x14, IO_APIC
  movl $0x51, IO_APIC + 0x10
  movl IO_APIC + 0x10, %eax
  movb $0x34, %al
  outb %al, $0x43
  xorb %al, %al
  outb %al, $0x40
  movb $0x10, %al
  outb %al, $0x40
  TICKS each_ticks, ticks
  movl $0x14, IO_APIC
  movl $0x10000, IO_APIC + 0x10
1:

  /* Page faults in ring 0: reads of a page that is not there. */
  PAGING_ON
  REPEAT each_faults, faults
  GUARD 1f
  movl L(0), %eax
1:
  AGAIN each_faults

  /* Changes to ring 3, where `work` instructions run with the INT that ends them, and back. */
  REPEAT each_calls, calls
  GUARD 1f
  ENTER3 user
1:
  AGAIN each_calls

  /* An instruction that translated code has the interpreter execute. */
  REPEAT each_identifications, identifications
  xorl %eax, %eax
  cpuid
  AGAIN each_identifications

  /* A function that is changed and then called often enough to be translated again. */
  movb $0xB8, CODE_PAGE
  movb $0xC3, CODE_PAGE + 5
  movl $CODE_PAGE, %esi
  REPEAT each_changes, changes
  incl CODE_PAGE + 1
  call many
  AGAIN each_changes

  /* Functions of six bytes, each 64 bytes after the other; each is called CALLS times. */
  movl functions, %ecx
  movl $FUNCTIONS, %esi
  jecxz 2f
1:
  movb $0xB8, (%esi)
  movb $0xC3, 5(%esi)
  addl $64, %esi
  loop 1b
2:
  movl $FUNCTIONS, %esi
  REPEAT each_functions, functions
  call many
  addl $64, %esi
  AGAIN each_functions

  /* Functions of 61 instructions, and behind each a jump to it: first all functions are called CALLS times, then all
     jumps. */
  movl links, %edx
  movl $CHAIN, %edi
1:
  decl %edx
  js 2f
  movb $0x40, %al
  movl $60, %ecx
  rep stosb
  movb $0xC3, (%edi)
  movw $0xBEEB, 4(%edi)
  addl $68, %edi
  jmp 1b
2:
  movl $CHAIN, %esi
  call each_link
  movl $CHAIN + 64, %esi
  call each_link

  movb $16, %al
  outb %al, $0xF4
1:
  hlt
  jmp 1b

/* `many` for ESI and what follows it in steps of 128 bytes, `links` times. */
each_link:
  movl links, %edx
1:
  decl %edx
  js 2f
  call many
  addl $128, %esi
  jmp 1b
2:
  ret

/* Calls what ESI points to. */
many:
  movl $CALLS, %ebx
1:
  call *%esi
  decl %ebx
  jnz 1b
  ret

local_tick:
  movl $0, APIC + 0xB0
  iretl

/* With the first and the last it is `work` instructions; an even number. */
user:
  movl work, %ecx
  shrl %ecx
  subl $2, %ecx
1:
  decl %ecx
  jnz 1b
  int $LEAVE

.data
  .ascii "parameters: "
parameters: .fill 10, 4, 0
