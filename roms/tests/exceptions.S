/* Exceptions: vectors, error codes, priorities, double faults, and that a faulting instruction leaves no trace.
   SDM vol. 3 chapter 6. */
#include "test.h"
#include "pages.h"
#include "tasks.h"

#define S(n) (SCRATCH + 8 * (n))

TESTS
/* Divide error. */
  movl $0x1234, %eax
  xorl %edx, %edx
  xorl %ebx, %ebx
  FAULTS "DIV by 0", 0, NONE, divl %ebx
  CHECK "DIV by 0: EAX stays", %eax, $0x1234
  FAULTS "IDIV by 0", 0, NONE, idivl %ebx
  FAULTS "DIV r8 by 0", 0, NONE, divb %bl
  movl $2, %edx
  movl $2, %ebx
  FAULTS "DIV r32: quotient too large", 0, NONE, divl %ebx
  FAULTS "DIV r16: quotient too large", 0, NONE, divw %bx
  CHECK "DIV: EDX stays", %edx, $2
  movl $0x200, %eax
  FAULTS "DIV r8: quotient too large", 0, NONE, divb %bl
  movl $0x80000000, %eax
  movl $-1, %edx
  movl $-1, %ebx
  FAULTS "IDIV r32: smallest by -1", 0, NONE, idivl %ebx
  movl $0x8000, %eax
  FAULTS "IDIV r16: smallest by -1", 0, NONE, idivw %bx
  movl $0xFF80, %eax
  FAULTS "IDIV r8: smallest by -1", 0, NONE, idivb %bl
  movl $0xFF7F, %eax
  movl $1, %ebx
  FAULTS "IDIV r8: -129", 0, NONE, idivb %bl
  movl $0xFF80, %eax
  RUNS "IDIV r8: -128", idivb %bl
  CHECK_BITS "IDIV r8: AX", %eax, 0xFFFF, 0x80
  movl $0x55, %eax
  FAULTS "AAM 0", 0, NONE, aam $0
  CHECK "AAM 0: EAX stays", %eax, $0x55

/* BOUND. */
  movl $-5, FREE_MEMORY
  movl $10, FREE_MEMORY + 4
  movl $11, %eax
  FAULTS "BOUND above", 5, NONE, .byte 0x62, 0x05, 0x00, 0x20, 0x02, 0x00
  movl $-6, %eax
  FAULTS "BOUND below", 5, NONE, .byte 0x62, 0x05, 0x00, 0x20, 0x02, 0x00
  movl $-5, %eax
  RUNS "BOUND at the lower", .byte 0x62, 0x05, 0x00, 0x20, 0x02, 0x00
  movl $10, %eax
  RUNS "BOUND at the upper", .byte 0x62, 0x05, 0x00, 0x20, 0x02, 0x00

/* Invalid opcodes. */
  FAULTS "UD2", 6, NONE, ud2
  FAULTS "BOUND of registers", 6, NONE, .byte 0x62, 0xC0
  FAULTS "LEA of a register", 6, NONE, .byte 0x8D, 0xC0
  FAULTS "LDS of a register", 6, NONE, .byte 0xC5, 0xC0
  FAULTS "LSS of a register", 6, NONE, .byte 0x0F, 0xB2, 0xC0
  FAULTS "far JMP of a register", 6, NONE, .byte 0xFF, 0xE8
  FAULTS "group 5, /7", 6, NONE, .byte 0xFF, 0xF8
  FAULTS "group 4, /2", 6, NONE, .byte 0xFE, 0xD0
  FAULTS "MOV group 11, /1", 6, NONE, .byte 0xC7, 0xC8, 0, 0, 0, 0
  FAULTS "LGDT of a register", 6, NONE, .byte 0x0F, 0x01, 0xD0 + 7
  FAULTS "CMPXCHG8B of a register", 6, NONE, .byte 0x0F, 0xC7, 0xC8
  FAULTS "LOCK MOV", 6, NONE, .byte 0xF0, 0x89, 0x03
  FAULTS "LOCK ADD of a register", 6, NONE, .byte 0xF0, 0x01, 0xC3
  FAULTS "LOCK CMP", 6, NONE, .byte 0xF0, 0x39, 0x03
  FAULTS "LOCK NOP", 6, NONE, .byte 0xF0, 0x90
  FAULTS "LOCK BT", 6, NONE, .byte 0xF0, 0x0F, 0xA3, 0x03
  movl $FREE_MEMORY, %ebx
  RUNS "LOCK ADD of memory", .byte 0xF0, 0x01, 0x03
  RUNS "LOCK XCHG of memory", .byte 0xF0, 0x87, 0x03
  FAULTS "0F 0B with prefixes", 6, NONE, .byte 0x66, 0x2E, 0x0F, 0x0B
  RUNS "14 prefixes", .byte 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x90
  FAULTS "15 prefixes", 13, 0, .byte 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x90
  FAULTS "16 bytes with an immediate", 13, 0, .byte 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0xB8, 0, 0, 0, 0

/* The coprocessor. */
  SET_CR0 4
  FAULTS "x87 with CR0.EM", 7, NONE, fld1
  FAULTS "MMX with CR0.EM", 6, NONE, .byte 0x0F, 0xEF, 0xC0
  RUNS "WAIT with CR0.EM", fwait
  CLEAR_CR0 4
  SET_CR0 8
  FAULTS "x87 with CR0.TS", 7, NONE, fninit
  FAULTS "MMX with CR0.TS", 7, NONE, .byte 0x0F, 0xEF, 0xC0
  CLEAR_CR0 2
  RUNS "WAIT with TS, MP = 0", fwait
  SET_CR0 2
  FAULTS "WAIT with TS, MP = 1", 7, NONE, fwait
  clts
  CHECK_BITS "CLTS", %eax, 8, 8
  movl %cr0, %eax
  CHECK_BITS "CLTS clears TS", %eax, 8, 0
  SET_CR0 0x20
  fninit
  movw $0x037B, FREE_MEMORY
  fldcw FREE_MEMORY
  fld1
  fldz
  fdivrp %st, %st(1)
  FAULTS "pending x87 exception at the next instruction", 16, NONE, fld1
  FAULTS "pending x87 exception at WAIT", 16, NONE, fwait
  RUNS "FNSTSW does not wait", fnstsw %ax
  CHECK_BITS "status word: ZE and ES", %eax, 0x80BF, 0x8084
  RUNS "FNSTENV does not wait", fnstenv FREE_MEMORY + 16
  /* FNSTENV masks all exceptions. */
  RUNS "no more waiting", fld1
  RUNS "FNINIT", fninit
  CLEAR_CR4 0x600
  FAULTS "SSE without CR4.OSFXSR", 6, NONE, .byte 0x0F, 0x57, 0xC0
  SET_CR4 0x600
  RUNS "SSE with it", .byte 0x0F, 0x57, 0xC0
  SET_CR0 8
  FAULTS "SSE with CR0.TS", 7, NONE, .byte 0x0F, 0x57, 0xC0
  clts
  SET_CR0 4
  FAULTS "SSE with CR0.EM", 6, NONE, .byte 0x0F, 0x57, 0xC0
  CLEAR_CR0 4
  movl $0x1D80, FREE_MEMORY
  .byte 0x0F, 0xAE, 0x15
  .long FREE_MEMORY
  movl $0x3F800000, FREE_MEMORY
  /* MOVSS XMM1, [1.0]; DIVSS XMM1, XMM0 */
  .byte 0xF3, 0x0F, 0x10, 0x0D
  .long FREE_MEMORY
  FAULTS "SSE division by 0", 19, NONE, .byte 0xF3, 0x0F, 0x5E, 0xC8
  CLEAR_CR4 0x400
  FAULTS "SSE division by 0 without OSXMMEXCPT", 6, NONE, .byte 0xF3, 0x0F, 0x5E, 0xC8
  SET_CR4 0x400
  FAULTS "MOVAPS of an odd address", 13, 0, .byte 0x0F, 0x28, 0x05, 0x08, 0x20, 0x02, 0
  movl $0x10000, FREE_MEMORY
  FAULTS "reserved bit of MXCSR", 13, 0, .byte 0x0F, 0xAE, 0x15, 0x00, 0x20, 0x02, 0

/* Alignment. */
  SET_CR0 0x40000
  movl $0x40002, user_flags
  FAULTS3 "AC: dword at 1", 17, 0, movl FREE_MEMORY + 1, %eax
  FAULTS3 "AC: dword at 2", 17, 0, movl %eax, FREE_MEMORY + 2
  FAULTS3 "AC: word at 1", 17, 0, movw FREE_MEMORY + 1, %ax
  RUNS3 "AC: word at 2", movw FREE_MEMORY + 2, %ax
  RUNS3 "AC: byte at 1", movb FREE_MEMORY + 1, %al
  FAULTS3 "AC: double at 4", 17, 0, fldl FREE_MEMORY + 4
  movl $RING3_STACK - 2, user_esp
  FAULTS3 "AC: PUSH", 17, 0, pushl %eax
  movl $RING3_STACK, user_esp
  pushl $0x40002
  popfl
  RUNS "AC: not in ring 0", movl FREE_MEMORY + 1, %eax
  pushl $2
  popfl
  CLEAR_CR0 0x40000
  RUNS3 "AC: not without CR0.AM", movl FREE_MEMORY + 1, %eax
  movl $2, user_flags

/* Privileged instructions before their operands. */
  PAGING_ON
  FAULTS3 "ring 3: LGDT of a page not present", 13, 0, lgdtl L(2)
  FAULTS3 "ring 3: LMSW of a page not present", 13, 0, lmsww L(2)
  FAULTS3 "ring 3: RDMSR", 13, 0, rdmsr
  FAULTS3 "ring 3: WBINVD", 13, 0, wbinvd
  FAULTS3 "ring 3: MOV to DR0", 13, 0, movl %eax, %dr0
  movw $0x80, %dx
  movl $L(2), %edi
  FAULTS3 "ring 3: INS to a page not present", 13, 0, insb
  movl $0x3FFFFF, %ecx

/* Faulting instructions leave no trace. Page 2 is not mapped, pages 1 and 3 are. */
  MAP 0, P + W + U
  MAP 1, P + W + U
  MAP 3, P + W + U
.macro STACK_FAULT name, esp, error, address, code:vararg
  movl $\esp, user_esp
  FAULTS3 "\name", 14, \error, \code
  CHECK "\name: ESP", trap_esp, $\esp
  CHECK "\name: CR2", trap_cr2, $\address
.endm
  movl $0x11111111, %eax
  movl $0x22222222, %ebx
  movl $0x33333333, %ebp
  STACK_FAULT "PUSH", L(3), 6, L(3) - 4, pushl %eax
  STACK_FAULT "PUSH across", L(3) + 2, 6, L(3) - 2, pushl %eax
  CHECK "PUSH across: memory", M(3), $M(3)
  STACK_FAULT "PUSHF", L(3), 6, L(3) - 4, pushfl
  STACK_FAULT "PUSHA", L(3) + 16, 6, L(3) - 4, pushal
  STACK_FAULT "CALL", L(3), 6, L(3) - 4, call tests
  STACK_FAULT "far CALL", L(3), 6, L(3) - 4, lcall $CODE3, $tests
  STACK_FAULT "far CALL, second push", L(3) + 4, 6, L(3) - 4, lcall $CODE3, $tests
  STACK_FAULT "ENTER", L(3), 6, L(3) - 4, enter $16, $0
  STACK_FAULT "ENTER that reserves a page not present", L(3) + 8, 6, L(3) - 0x3FC, enter $0x400, $0
  CHECK "ENTER: EBP stays", trap_ebp, $0x33333333
  STACK_FAULT "POP", L(2), 4, L(2), popl %eax
  CHECK "POP: EAX stays", trap_eax, $0x11111111
  STACK_FAULT "POP across", L(2) - 2, 4, L(2), popl %eax
  STACK_FAULT "POPA", L(2) - 16, 4, L(2), popal
  CHECK "POPA: EBP stays", trap_ebp, $0x33333333
  STACK_FAULT "POPF", L(2), 4, L(2), popfl
  STACK_FAULT "RET", L(2), 4, L(2), ret
  movl $tests, M(1) + 0xFFC
  STACK_FAULT "far RET", L(2) - 4, 4, L(2), lretl
  STACK_FAULT "IRET", L(2) - 8, 4, L(2), iretl
  movl $M(1) + 0xFFC, M(1) + 0xFFC
  movl $L(2), %ebp
  STACK_FAULT "LEAVE", L(1), 4, L(2), leave
  CHECK "LEAVE: EBP stays", trap_ebp, $L(2)
  STACK_FAULT "PUSH of memory not present", L(2), 4, L(2), pushl L(2)
  STACK_FAULT "PUSH of memory to a page not present", L(3), 6, L(3) - 4, pushl L(1)
  movl $0x55555555, L(1)
  STACK_FAULT "POP to a page not present", L(1), 6, L(2), popl L(2)
  movl $M(1), M(1)
  STACK_FAULT "CALL by memory not present", L(1), 4, L(2), call *L(2)
  STACK_FAULT "CALL by memory, stack not present", L(3), 6, L(3) - 4, call *L(1)
  movl $RING3_STACK, user_esp
  /* POP addresses its operand with the ESP after the increment. */
  movl $L(2) - 8, user_esp
  PAGE_FAULT3 "POP [ESP + 4]", 6, L(2), popl 4(%esp)
  movl $RING3_STACK, user_esp

  movl $0x44444444, %ecx
  PAGE_FAULT "XADD across", 2, L(2), xaddl %ecx, L(2) - 2
  CHECK "XADD across: ECX", %ecx, $0x44444444
  CHECK "XADD across: memory", M(1) + 0xFFC, $M(1) + 0xFFC
  PAGE_FAULT "XCHG across", 2, L(2), xchgl %ecx, L(2) - 1
  CHECK "XCHG across: ECX", %ecx, $0x44444444
  movl $M(1) + 0xFFC, %eax
  PAGE_FAULT "CMPXCHG8B across", 2, L(2), cmpxchg8b L(2) - 4
  CHECK "CMPXCHG8B across: EAX", %eax, $M(1) + 0xFFC
  stc
  PAGE_FAULT "INC leaves CF", 2, L(2), incl L(2)
  CHECK_BITS "INC: flags", trap_eflags, 0x8D5, 1 + 4
  stc
  PAGE_FAULT "ADC across", 2, L(2), adcl %ecx, L(2) - 3
  CHECK_BITS "ADC: flags", trap_eflags, 1, 1
  CHECK "ADC across: memory", M(1) + 0xFFC, $M(1) + 0xFFC
  fninit
  fldpi
  PAGE_FAULT "FSTP across", 2, L(2), fstpl L(2) - 4
  CHECK "FSTP across: memory", M(1) + 0xFFC, $M(1) + 0xFFC
  fnstsw %ax
  CHECK_BITS "FSTP across: nothing is popped", %eax, 0x3800, 0x3800
  /* Which byte of an image CR2 names depends on the processor. */
  FAULTS "FNSAVE across", 14, 2, fnsave L(2) - 60
  fnstsw %ax
  CHECK_BITS "FNSAVE across: no reset", %eax, 0x3800, 0x3800
  movl $M(1) + 0xFFC, M(1) + 0xFFC
  PAGE_FAULT "SGDT across", 2, L(2), sgdtl L(2) - 2
  movl $0x12345678, M(1) + 0xFFC
  PAGE_FAULT "LGS across", 0, L(2), lgsl L(2) - 4, %ecx
  CHECK "LGS across: ECX", %ecx, $0x44444444
  movl $M(1) + 0xFFC, M(1) + 0xFFC

/* Repeated string instructions stop where the fault is. */
.macro STRINGS name, esi, edi, ecx
  CHECK "\name: ESI", %esi, $\esi
  CHECK "\name: EDI", %edi, $\edi
  CHECK "\name: ECX", %ecx, $\ecx
.endm
  cld
  movl $L(0), %esi
  movl $L(2) - 8, %edi
  movl $10, %ecx
  PAGE_FAULT "REP MOVSD into a page not present", 2, L(2), rep movsl
  STRINGS "REP MOVSD", L(0) + 8, L(2), 8
  CHECK "REP MOVSD: memory", M(1) + 0xFFC, $M(0) + 4
  CHECK_BITS "REP MOVSD: RF", trap_eflags, 0x10000, 0x10000
  movl $L(0), %esi
  movl $L(2) - 6, %edi
  movl $10, %ecx
  PAGE_FAULT "REP MOVSD across", 2, L(2), rep movsl
  STRINGS "REP MOVSD across", L(0) + 4, L(2) - 2, 9
  movl $L(2) - 3, %esi
  movl $L(0), %edi
  movl $10, %ecx
  PAGE_FAULT "REP MOVSB out of a page not present", 0, L(2), rep movsb
  STRINGS "REP MOVSB", L(2), L(0) + 3, 7
  movl $L(0), %edi
  movl $M(0), M(0)
  movl $L(2) - 16, %edi
  movl $0x55555555, %eax
  movl $100, %ecx
  PAGE_FAULT "REP STOSD", 2, L(2), rep stosl
  CHECK "REP STOSD: EDI", %edi, $L(2)
  CHECK "REP STOSD: ECX", %ecx, $96
  std
  movl $L(3) + 8, %edi
  movl $100, %ecx
  PAGE_FAULT "REP STOSD downwards", 2, L(3) - 4, rep stosl
  CHECK "REP STOSD downwards: EDI", %edi, $L(3) - 4
  CHECK "REP STOSD downwards: ECX", %ecx, $97
  cld
  movl $L(2) - 8, %esi
  movl $100, %ecx
  PAGE_FAULT "REP LODSD", 0, L(2), rep lodsl
  CHECK "REP LODSD: ESI", %esi, $L(2)
  CHECK "REP LODSD: ECX", %ecx, $98
  movl $L(2) - 4, %edi
  movl $0, %eax
  movl $100, %ecx
  PAGE_FAULT "REPNE SCASB", 0, L(2), repne scasb
  CHECK "REPNE SCASB: EDI", %edi, $L(2)
  CHECK "REPNE SCASB: ECX", %ecx, $96
  movl $M(1) + 0xFF8, M(0)
  movl $M(1) + 0xFF8, M(1) + 0xFF8
  movl $L(0), %esi
  movl $L(2) - 8, %edi
  movl $M(1) + 0xFFC, M(1) + 0xFFC
  movl $M(1) + 0xFFC, M(0) + 4
  movl $100, %ecx
  PAGE_FAULT "REPE CMPSD", 0, L(2), repe cmpsl
  STRINGS "REPE CMPSD", L(0) + 8, L(2), 98
  movl $L(2) - 2, %edi
  movw $0x80, %dx
  movl $5, %ecx
  PAGE_FAULT "REP INSB", 2, L(2), rep insb
  CHECK "REP INSB: EDI", %edi, $L(2)
  CHECK "REP INSB: ECX", %ecx, $3
  movl $L(2) - 2, %esi
  movl $5, %ecx
  PAGE_FAULT "REP OUTSB", 0, L(2), rep outsb
  CHECK "REP OUTSB: ESI", %esi, $L(2)
  CHECK "REP OUTSB: ECX", %ecx, $3
  movl $L(2), %esi
  movl $L(2), %edi
  xorl %ecx, %ecx
  RUNS "REP MOVSD with ECX = 0", rep movsl
  movl $M(0), M(0)
  movl $M(0) + 4, M(0) + 4

/* Faults while a fault is delivered. */
  IDT_GATE 6, trap, 0x0E
  FAULTS "benign, then not present: delivered in turn", 11, 6 * 8 + 3, ud2
  IDT_DEFAULT 6
  IDT_GATE 13, trap, 0x0E
  movw $0x400, %ax
  FAULTS "GP, then not present: double fault", 8, 0, movw %ax, %fs
  IDT_DEFAULT 13
  IDT_GATE 0, trap, 0x0E
  xorl %ebx, %ebx
  FAULTS "DE, then not present: double fault", 8, 0, divl %ebx
  IDT_DEFAULT 0
  IDT_GATE 14, trap, 0x0E
  FAULTS "PF, then not present: double fault", 8, 0, movl L(2), %ebx
  IDT_DEFAULT 14
  IDT_GATE 6, trap, 0x8E, DATA0
  FAULTS "UD, then a gate to data", 13, DATA0 + 1, ud2
  IDT_DEFAULT 6
  IDT_GATE 0x50, trap, 0x0E
  FAULTS "INT of a gate not present", 11, 0x50 * 8 + 2, int $0x50
  /* The second half of the IDT in a page not present. */
  movl $idt, %esi
  movl $M(1) + 0xFA0, %edi
  movl $0x60 / 4, %ecx
  rep movsl
  movw $0x7FF, FREE_MEMORY
  movl $L(2) - 0x60, FREE_MEMORY + 2
  lidtl FREE_MEMORY
  /* Vector 13 is beyond: a page fault, whose gate is beyond, too. */
  movl $(M(2) + P + W + U), %ecx
  FAULTS "vector below the border", 6, NONE, ud2
  lidtl idt_pointer
  /* Gates of vectors 0 to 14 are in the page before; 16 and above are in the page that is missing. */
  movl $idt, %esi
  movl $L(2) - 0x78, %edi
  movl $0x78 / 4, %ecx
  rep movsl
  movl $L(2) - 0x78, FREE_MEMORY + 2
  lidtl FREE_MEMORY
  FAULTS "INT with its gate in a page not present", 14, 0, int $0x50
  CHECK "CR2", trap_cr2, $L(2) - 0x78 + 0x50 * 8
  fninit
  movw $0x037B, FREE_MEMORY + 8
  fldcw FREE_MEMORY + 8
  fld1
  fldz
  fdivrp %st, %st(1)
  FAULTS "MF, then PF: delivered in turn", 14, 0, fwait
  fninit
  lidtl idt_pointer
  /* GP whose handler's gate is in a page not present: delivered in turn. */
  movl $idt + 14 * 8, %esi
  movl $L(3) + 2 * 8, %edi
  movl $2, %ecx
  rep movsl
  movl $L(3) - 12 * 8, FREE_MEMORY + 2
  lidtl FREE_MEMORY
  movw $0x400, %ax
  movl $idt + 13 * 8, %esi
  movl $L(3) + 8, %edi
  movl $2, %ecx
  rep movsl
  FAULTS "GP in its page", 13, 0x400, movw %ax, %fs
  movl $L(3) - 14 * 8, FREE_MEMORY + 2
  lidtl FREE_MEMORY
  movl $idt + 14 * 8, %esi
  movl $L(3), %edi
  movl $2, %ecx
  rep movsl
  FAULTS "GP, then PF: delivered in turn", 14, 0, movw %ax, %fs
  CHECK "GP, then PF: CR2", trap_cr2, $L(3) - 8
  lidtl idt_pointer

/* Faults on the way from ring 3, handled by tasks. */
  CLEAR_CR0 PG
  TASK_HANDLER 10
  movl $0, tss + 8
  CATCH 2f
  ENTER3 1f
1:
  int $LEAVE
2:
  TASK_CAUGHT "INT from ring 3 with a null inner stack", 0, 1b
  CHECK "its CS is of ring 3", task_cs, $CODE3
  TASK_HANDLER 10
  CATCH 2f
  ENTER3 1f
1:
  ud2
2:
  TASK_CAUGHT "UD from ring 3 with a null inner stack", 1, 1b
  IDT_DEFAULT 10
  TASK_HANDLER 8
  CATCH 2f
  movw $0x400, %ax
  ENTER3 1f
1:
  movw %ax, %fs
2:
  TASK_CAUGHT "GP from ring 3 with a null inner stack: double fault", 0, 1b
  movl $DATA0, tss + 8
  /* The stack of ring 0 runs over. */
  DESCRIPTOR S(2), 0, 0xFFF, 0x93, FLAGS32_BYTE
  TASK_HANDLER 8
  CATCH 2f
  movw $S(2), %ax
  movw %ax, %ss
  movl $0x2000, %esp
1:
  pushl %eax
2:
  TASK_CAUGHT "stack fault without a stack: double fault", 0, 1b
  CHECK "its ESP", task_old_esp, $0x2000
  IDT_DEFAULT 8
  TASK_HANDLER 12
  CATCH 2f
  movw $S(2), %ax
  movw %ax, %ss
  movl $0x2000, %esp
1:
  pushl %eax
2:
  TASK_CAUGHT "stack fault handled by a task", 0, 1b
  IDT_DEFAULT 12
  FINISH
