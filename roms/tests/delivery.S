/* Page faults on the way into and out of handlers, and in the tables of the processor. SDM vol. 3 chapters 4 and 6. */
#include "test.h"
#include "pages.h"
#include "tasks.h"

#define S(n) (SCRATCH + 8 * (n))

/* A copy of the GDT at linear L(0), and back. */
.macro GDT_AT address, limit=GDT_LIMIT
  movw $(\limit), FREE_MEMORY
  movl $(\address), FREE_MEMORY + 2
  lgdtl FREE_MEMORY
.endm
.macro COPY_GDT address
  cld
  movl $gdt, %esi
  movl $(\address), %edi
  movl $((GDT_LIMIT + 1) / 4), %ecx
  rep movsl
.endm

TESTS
  PAGING_ON
  MAP 0, P + W + U
  MAP 1, P + W + U
  MAP 3, P + W + U

/* Into a handler: the inner stack is in a page that is missing. */
.macro NO_STACK name, vector, error, esp0, address, code:vararg
  TASK_HANDLER \vector
  movl $(\esp0), tss_esp0
  CATCH .Lresume\@
  ENTER3 .Lat\@
.Lat\@:
  \code
.Lresume\@:
  TASK_CAUGHT "\name", \error, .Lat\@
  movl %cr2, %eax
  CHECK "\name: CR2", %eax, $(\address)
  CHECK "\name: CS", task_cs, $CODE3
  CHECK "\name: ESP", task_old_esp, $RING3_STACK
  IDT_DEFAULT \vector
  movl $RING0_STACK, tss_esp0
.endm
  IDT_GATE 0x50, trap, 0xEE
  NO_STACK "INT, page fault by a task", 14, 2, L(3), L(3) - 4, int $0x50
  NO_STACK "INT, third push", 14, 2, L(3) + 8, L(3) - 4, int $0x50
  NO_STACK "INT, push across", 14, 2, L(3) + 2, L(3) - 2, int $0x50
  NO_STACK "INT, double fault", 8, 0, L(3), L(3) - 4, int $0x50
  NO_STACK "UD2, page fault by a task", 14, 2, L(3), L(3) - 4, ud2
  NO_STACK "UD2, double fault", 8, 0, L(3), L(3) - 4, ud2
  movw $0x400, %ax
  NO_STACK "GP, page fault by a task", 14, 2, L(3), L(3) - 4, hlt
  NO_STACK "GP, double fault", 8, 0, L(3), L(3) - 4, hlt
  GATE S(0), CODE0, tests, 0xEC, 2
  NO_STACK "call gate, page fault by a task", 14, 2, L(3), L(3) - 4, lcall $S(0), $0
  NO_STACK "call gate, parameters", 14, 2, L(3) + 8, L(3) - 4, lcall $S(0), $0
  /* The pushes may cross pages that are no neighbours. */
  movl $(M(7) + P + W + U), ENTRY(2)
  invlpg L(2)
  movl $L(3) + 10, tss_esp0
  RUNS3 "pushes across pages", nop
  CHECK "pushes across pages: handler's ESP", handler_esp, $L(3) + 10 - 8
  CHECK_BITS "pushes across pages: upper part of SS", M(3) + 6, 0xFFFF, DATA3
  movl $RING0_STACK, tss_esp0
  movl $0, ENTRY(2)
  invlpg L(2)
  /* They set A and D. */
  MAP 3, P + W
  movl $L(3) + 0x800, tss_esp0
  RUNS3 "pushes", nop
  BITS "pushes set A and D", 3, P + W + A + D
  movl $RING0_STACK, tss_esp0
  MAP 3, P + W + U

/* Out of a handler: the frame, the target. */
.macro RETURN name, error, address, esp, code:vararg
  movl $\esp, %ebx
  GUARD .Lresume\@
  movl %ebx, %esp
.Lat\@:
  \code
.Lresume\@:
  TRAPPED "\name", 14, \error, .Lat\@
  CHECK "\name: CR2", trap_cr2, $(\address)
  CHECK "\name: ESP", trap_esp, $(\esp)
.endm
  movl $tests, L(2) - 16
  movl $CODE3, L(2) - 12
  movl $2, L(2) - 8
  movl $RING3_STACK, L(2) - 4
  RETURN "IRET: SS missing", 0, L(2), L(2) - 16, iretl
  movl $tests, L(2) - 12
  movl $CODE3, L(2) - 8
  RETURN "far RET: SS missing", 0, L(2), L(2) - 12, lretl
  GUARD 1f
  ENTER3 L(2) + 8
1:
  TRAPPED "IRET to a page not present", 14, 4, L(2) + 8
  CHECK "its CS", trap_cs, $CODE3
  CHECK "its CR2", trap_cr2, $L(2) + 8
  movl $L(2) + 4, %eax
  GUARD 1f
2: call *%eax
1:
  TRAPPED "CALL to a page not present", 14, 0, L(2) + 4
  movl guard_esp, %ebx
  subl $4, %ebx
  CHECK "CALL has pushed", trap_esp, %ebx
  GUARD 1f
  ljmp $CODE0, $L(2) + 4
1:
  TRAPPED "far JMP to a page not present", 14, 0, L(2) + 4

/* The GDT. The processor reads and writes it as supervisor, whoever asks. */
  MAP 1, P + W + U
  COPY_GDT L(1) - 0x50
  movl $0, ENTRY(1)
  invlpg L(1)
  /* Entries from 50h on are in the missing page. */
  GDT_AT L(1) - 0x50
  movw $0x50, %ax
  FAULTS "descriptor in a page not present", 14, 0, movw %ax, %fs
  CHECK "descriptor in a page not present: CR2", trap_cr2, $L(1)
  FAULTS3 "the same in ring 3", 14, 0, movw %ax, %fs
  FAULTS "LAR of it", 14, 0, larl %eax, %ebx
  FAULTS "far JMP to it", 14, 0, ljmp $0x50, $0
  GDT_AT gdt
  MAP 1, P + W + U
  /* A descriptor across two pages that are no neighbours. */
  DESCRIPTOR S(1), 0x12345678, 0x54321, 0x93, 0xC
  COPY_GDT L(1) - (S(1) + 4)
  movl $(M(7) + P + W + U), ENTRY(1)
  movl M(1), %eax
  movl %eax, M(7)
  movl $0, M(1)
  movl $0x10, %ecx
  movl $M(1) + 4, %esi
  movl $M(7) + 4, %edi
  rep movsl
  invlpg L(1)
  GDT_AT L(1) - (S(1) + 4)
  movl $S(1), %eax
  lsll %eax, %ebx
  larl %eax, %ecx
  GDT_AT gdt
  CHECK "descriptor across pages: limit", %ebx, $0x54321FFF
  CHECK_BITS "descriptor across pages: access", %ecx, 0xF0FF00, 0xC09300
  /* The accessed bit is written, or not if it is set. */
  SET_CR0 WP
  MAP 0, P + W
  DESCRIPTOR S(1), 0, 0xFFFFF, 0x92, FLAGS32
  DESCRIPTOR S(2), 0, 0xFFFFF, 0x93, FLAGS32
  COPY_GDT L(0)
  MAP 0, P
  GDT_AT L(0)
  movw $S(2), %ax
  RUNS "accessed segment from a read-only GDT", movw %ax, %fs
  movw $S(1), %ax
  FAULTS "segment to be marked in a read-only GDT", 14, 3, movw %ax, %fs
  CHECK_BITS "its CR2", trap_cr2, ~7, L(0) + S(1)
  CLEAR_CR0 WP
  movw $S(1), %ax
  RUNS "without WP it is marked", movw %ax, %fs
  GDT_AT gdt
  CHECK_BITS "marked", M(0) + S(1) + 4, 0xFF00, 0x9300
  MAP 0, P + W
  COPY_GDT L(0)
  MAP 0, P + W
  GDT_AT L(0)
  movw $DATA0, %ax
  movw %ax, %fs
  GDT_AT gdt
  BITS "a load sets A of the GDT's page", 0, P + W + A

/* LDT, I/O bitmap, task state. */
  DESCRIPTOR S(3), L(2), 0xFFF, 0x82, 0
  movw $S(3), %ax
  RUNS "LLDT reads no entry", lldtw %ax
  movw $0xC, %ax
  FAULTS "entry of an LDT in a page not present", 14, 0, movw %ax, %fs
  CHECK "its CR2", trap_cr2, $L(2) + 8
  movw $0, %ax
  lldtw %ax
  movl $tss, %esi
  movl $L(2) - 0x68, %edi
  movl $26, %ecx
  rep movsl
  movw $0x68, L(2) - 0x68 + 0x66
  DESCRIPTOR S(4), L(2) - 0x68, 0x2068, 0x89, 0
  movw $S(4), %ax
  ltrw %ax
  FAULTS3 "I/O bitmap in a page not present", 14, 0, inb $0x80, %al
  CHECK "its CR2", trap_cr2, $L(2) + 0x10
  movb $0x89, gdt + TSS0 + 5
  movw $TSS0, %ax
  ltrw %ax
  DESCRIPTOR S(4), L(2) - 0x20, 0x67, 0x89, 0
  movl $0x7777, %ebx
  FAULTS "CALL of a TSS that reaches into a page not present", 14, 0, lcall $S(4), $0
  CHECK_BITS "its CR2", trap_cr2, ~0xFFF, L(2)
  CHECK "nothing is switched: EBX", %ebx, $0x7777
  strl %ebx
  CHECK "nothing is switched: TR", %ebx, $TSS0
  CHECK_BITS "nothing is switched: busy", gdt + S(4) + 4, 0x200, 0

/* Other operands. Which operand of CMPS comes first depends on the processor. */
  cld
  movl $L(2), %esi
  movl $L(2) + 0x100, %edi
  PAGE_FAULT "MOVS: source", 0, L(2), movsl
  movl $L(1), %esi
  PAGE_FAULT "MOVS: target", 2, L(2) + 0x100, movsl
  CHECK "MOVS: ESI stays", %esi, $L(1)
  movl $L(2), %ebx
  movl $0, %eax
  PAGE_FAULT "XLAT", 0, L(2), xlatb
  PAGE_FAULT "BOUND", 0, L(2), .byte 0x62, 0x03
  PAGE_FAULT "far CALL by memory", 0, L(2), lcall *L(2)
  PAGE_FAULT "far JMP by memory across", 0, L(2), ljmp *L(2) - 4
  PAGE_FAULT "LGDT across", 0, L(2), lgdtl L(2) - 4
  PAGE_FAULT "VERR of memory", 0, L(2), verr L(2)
  PAGE_FAULT "SLDT to memory", 2, L(2), sldtw L(2)
  PAGE_FAULT "SMSW to memory", 2, L(2), smsww L(2)
  PAGE_FAULT "SETcc", 2, L(2), setz L(2)
  stc
  PAGE_FAULT "CMOV that does not move reads", 0, L(2), cmovncl L(2), %eax
  PAGE_FAULT "SHLD across", 2, L(2), shldl $4, %eax, L(2) - 2
  movl $L(2) + 0x100, %ebp
  movl $0xFF0, %ecx
  /* ENTER with nested frames reads them through EBP. */
  PAGE_FAULT "ENTER with nested frames", 0, L(2) + 0xFC, enter $0, $2
  CHECK "its EBP stays", trap_ebp, $L(2) + 0x100
  CHECK "its ESP stays", trap_esp, guard_esp
  SET_CR4 0x200
  clts
  FAULTS "FXSAVE across", 14, 2, .byte 0x0F, 0xAE, 0x05, 0x00, 0x1F, 0x40, 0x00
  FAULTS "FXRSTOR across", 14, 0, .byte 0x0F, 0xAE, 0x0D, 0x00, 0x1F, 0x40, 0x00
  FAULTS "FXSAVE to an odd address", 13, 0, .byte 0x0F, 0xAE, 0x05, 0x08, 0x10, 0x40, 0x00
FINISH
