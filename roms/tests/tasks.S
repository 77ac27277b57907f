/* Hardware task switches. SDM vol. 3 chapter 8. */
#include "test.h"

#define S(n) (SCRATCH + 8 * (n))
#define TSS_A S(0)
#define TSS_B S(1)
#define TASK_GATE S(2)
#define LDT_B S(3)
#define TSS_16 S(4)
#define STACK_A 0x23000
#define STACK_B 0x24000

/* Offsets in a TSS. */
#define LINK 0
#define CR3 28
#define EIP 32
#define EFLAGS 36
#define EAX 40
#define ECX 44
#define EDX 48
#define EBX 52
#define ESP 56
#define EBP 60
#define ESI 64
#define EDI 68
#define ES 72
#define CS 76
#define SS 80
#define DS 84
#define FS 88
#define GS 92
#define LDT 96
#define TRAP 100

/* A fresh TSS B that starts at `eip`. */
.macro TASK_B eip, flags=2
  DESCRIPTOR TSS_B, 0, 0x67, 0x89, 0
  movl $tss_b, %eax
  movw %ax, gdt + TSS_B + 2
  movl $tss_b, %edi
  movl $26, %ecx
  xorl %eax, %eax
  rep stosl
  movl $\eip, tss_b + EIP
  movl $\flags, tss_b + EFLAGS
  movl $0xA0A0A0A0, tss_b + EAX
  movl $0xC0C0C0C0, tss_b + ECX
  movl $0xD0D0D0D0, tss_b + EDX
  movl $0xB0B0B0B0, tss_b + EBX
  movl $STACK_B, tss_b + ESP
  movl $0xBBBB0000, tss_b + EBP
  movl $0x51515151, tss_b + ESI
  movl $0xD1D1D1D1, tss_b + EDI
  movl $DATA0, tss_b + ES
  movl $CODE0, tss_b + CS
  movl $DATA0, tss_b + SS
  movl $DATA0, tss_b + DS
  movl $DATA3, tss_b + FS
  movl $0, tss_b + GS
  movw $0x68, tss_b + 102
.endm
.macro BUSY name, selector, want
  CHECK_BITS "\name", gdt + (\selector) + 4, 0x200, (\want) << 9
.endm

TESTS
  cld
  BUSY "LTR makes the TSS busy", TSS0, 1

/* CALL and IRET. */
  TASK_B task_1
  movl $0x12340001, %ebx
  movl $0x12340002, %esi
  movl $0x12340003, %ebp
  pushl $0x0ED7 & ~0x400
  popfl
  movl $~0, seen
  lcall $TSS_B, $0x12345678
back_1:
  pushfl
  popl flags_after
  cld
  CHECK "CALL: the task ran", seen, $0x1234
  CHECK "CALL: EBX is back", %ebx, $0x12340001
  CHECK "CALL: ESI is back", %esi, $0x12340002
  CHECK "CALL: EBP is back", %ebp, $0x12340003
  CHECK_BITS "CALL: flags are back", flags_after, 0xAD7, 0xAD7
  CHECK "CALL: EAX of the task", task_registers + 28, $0xA0A0A0A0
  CHECK "CALL: ECX of the task", task_registers + 24, $0xC0C0C0C0
  CHECK "CALL: EDX of the task", task_registers + 20, $0xD0D0D0D0
  CHECK "CALL: EBX of the task", task_registers + 16, $0xB0B0B0B0
  CHECK "CALL: ESP of the task", task_registers + 12, $STACK_B
  CHECK "CALL: EBP of the task", task_registers + 8, $0xBBBB0000
  CHECK "CALL: ESI of the task", task_registers + 4, $0x51515151
  CHECK "CALL: EDI of the task", task_registers + 0, $0xD1D1D1D1
  CHECK "CALL: FS of the task", seen_fs, $DATA3
  CHECK "CALL: NT is set", seen_flags, $0x4002
  CHECK "CALL: link", seen_link, $TSS0
  CHECK "CALL: task register", seen_tr, $TSS_B
  CHECK_BITS "CALL: old TSS stays busy", seen_busy, 0x200, 0x200
  CHECK_BITS "CALL: new TSS is busy", seen_busy_b, 0x200, 0x200
  CHECK_BITS "CALL: CR0.TS is set", seen_cr0, 8, 8
  CHECK "CALL: EIP in the old TSS", tss + EIP, $back_1
  CHECK "CALL: EBX in the old TSS", tss + EBX, $0x12340001
  CHECK_BITS "CALL: CS in the old TSS", tss + CS, 0xFFFF, CODE0
  CHECK_BITS "CALL: NT in the old TSS", tss + EFLAGS, 0x4000, 0
  BUSY "IRET: the left TSS is free", TSS_B, 0
  BUSY "IRET: the old TSS is busy", TSS0, 1
  CHECK "IRET: EIP of the left task", tss_b + EIP, $after_1
  CHECK_BITS "IRET: NT of the left task is clear", tss_b + EFLAGS, 0x4000, 0
  xorl %ebx, %ebx
  strl %ebx
  CHECK "IRET: task register", %ebx, $TSS0
  clts
  /* The task goes on where it left. */
  movl $0, seen
  lcall $TSS_B, $0
  CHECK "CALL again: goes on after its IRET", seen, $0x5678

/* JMP. */
  TASK_B task_2
  movw $0x7777, tss_b + LINK
  ljmp $TSS_B, $0
back_2:
  CHECK_BITS "JMP: NT is clear", seen_flags, 0x4000, 0
  CHECK "JMP: link is unchanged", seen_link, $0x7777
  CHECK_BITS "JMP: old TSS is free", seen_busy, 0x200, 0
  CHECK_BITS "JMP: new TSS is busy", seen_busy_b, 0x200, 0x200
  BUSY "JMP back: TSS is free", TSS_B, 0
  BUSY "JMP back: TSS is busy", TSS0, 1
  CHECK "JMP back: EIP in the TSS", tss + EIP, $back_2

/* Task gates. */
  GATE TASK_GATE, TSS_B, 0, 0x85
  TASK_B task_1
  lcall $TASK_GATE, $0
  CHECK "CALL through a task gate", seen, $0x1234
  TASK_B task_2
  ljmp $TASK_GATE, $0
  PASS "JMP through a task gate"

/* Nested tasks by interrupt, with and without an error code. */
  TASK_B task_int
  IDT_GATE 0x50, 0, 0x85, TSS_B
  movl $0, seen
  movl %esp, %ebp
  int $0x50
back_3:
  CHECK "INT through a task gate", seen, $0x1111
  CHECK "INT: ESP of the task", task_registers + 12, $STACK_B
  CHECK "INT: EIP in the old TSS", tss + EIP, $back_3
  CHECK "INT: ESP", %esp, %ebp
  CHECK_BITS "INT: NT is set", seen_flags, 0x4000, 0x4000
  TASK_B task_error
  IDT_GATE 13, 0, 0x85, TSS_B
  movw $0x400, %ax
  movl $1f, %ebx
faulting:
  movw %ax, %fs
1:
  CHECK "fault through a task gate", seen, $0x2222
  CHECK "fault: error code on the task's stack", seen_error, $0x400
  CHECK "fault: EIP in the old TSS", seen_eip, $faulting
  IDT_DEFAULT 13
  IDT_GATE 0x50, 0, 0x85, TSS_B
  FAULTS3 "ring 3: INT through a task gate of DPL 0", 13, 0x50 * 8 + 2, int $0x50
  IDT_GATE 0x50, 0, 0xE5, TSS_B
  TASK_B task_int
  movl $0, seen
  RUNS3 "ring 3: INT through a task gate of DPL 3", int $0x50
  CHECK "ring 3: the task ran", seen, $0x1111

/* Privileges, types, presence. */
  TASK_B task_1
  FAULTS3 "ring 3: CALL of a TSS of DPL 0", 13, TSS_B, lcall $TSS_B, $0
  GATE TASK_GATE, TSS_B, 0, 0x85
  FAULTS3 "ring 3: CALL of a task gate of DPL 0", 13, TASK_GATE, lcall $TASK_GATE, $0
  GATE TASK_GATE, TSS_B, 0, 0xE5
  movl $0, seen
  RUNS3 "ring 3: CALL of a task gate of DPL 3", lcall $TASK_GATE, $0
  CHECK "ring 3: the task ran", seen, $0x1234
  FAULTS "CALL of the busy TSS itself", 13, TSS0, lcall $TSS0, $0
  FAULTS "JMP to the busy TSS itself", 13, TSS0, ljmp $TSS0, $0
  TASK_B task_1
  movb $0x09, gdt + TSS_B + 5
  FAULTS "CALL of a TSS not present", 11, TSS_B, lcall $TSS_B, $0
  GATE TASK_GATE, TSS_B, 0, 0x05
  FAULTS "CALL of a task gate not present", 11, TASK_GATE, lcall $TASK_GATE, $0
  GATE TASK_GATE, 0, 0, 0x85
  FAULTS "task gate to null", 13, 0, lcall $TASK_GATE, $0
  GATE TASK_GATE, DATA0, 0, 0x85
  FAULTS "task gate to data", 13, DATA0, lcall $TASK_GATE, $0
  movb $0x89, gdt + TSS_B + 5
  movw $0x66, gdt + TSS_B
  FAULTS "TSS too short", 10, TSS_B, lcall $TSS_B, $0
  movl $0x5555, %ebx
  FAULTS "JMP to a TSS too short", 10, TSS_B, ljmp $TSS_B, $0
  CHECK "a failed switch changes nothing: EBX", %ebx, $0x5555
  BUSY "a failed switch changes nothing: TSS", TSS_B, 0
  IDT_GATE 0x50, 0, 0x85, 0
  FAULTS "IDT task gate to null", 13, 0, int $0x50

/* IRET with NT. */
  movw $0, tss + LINK
  pushl $0x4002
  popfl
  FAULTS "IRET with NT: null link", 10, 0, iretl
  TASK_B task_1
  movw $TSS_B, tss + LINK
  pushl $0x4002
  popfl
  FAULTS "IRET with NT to a TSS that is not busy", 10, TSS_B, iretl
  movw $0x44, tss + LINK
  pushl $0x4002
  popfl
  FAULTS "IRET with NT to a selector of the LDT", 10, 0x44, iretl
  movw $0, tss + LINK

/* A new task that cannot load its segments faults in its own context, before its first instruction. */
.macro BAD_TASK name, vector, error
  GUARD .Lresume\@
  lcall $TSS_B, $0
.Lresume\@:
  xorl %ebx, %ebx
  strl %ebx
  CHECK "\name: it is the new task's", %ebx, $TSS_B
  TRAPPED "\name", \vector, \error, task_1
  movb $0x89, gdt + TSS0 + 5
  movw $TSS0, %ax
  ltrw %ax
  clts
.endm
  TASK_B task_1
  movl $0x400, tss_b + DS
  BAD_TASK "DS beyond the GDT", 10, 0x400
  TASK_B task_1
  movl $TSS0, tss_b + ES
  BAD_TASK "ES of a TSS", 10, TSS0
  DESCRIPTOR S(5), 0, 0xFFFFF, 0x13, FLAGS32
  TASK_B task_1
  movl $S(5), tss_b + GS
  BAD_TASK "GS not present", 11, S(5)
  /* With a bad stack the handler needs another one, so these tasks are in ring 3. */
.macro TASK_B3 ss
  TASK_B task_1
  movl $CODE3, tss_b + CS
  movl $DATA0, tss_b + 8
  movl $STACK_A, tss_b + 4
  movl $\ss, tss_b + SS
.endm
  TASK_B3 DATA0
  BAD_TASK "SS of another ring", 10, DATA0
  TASK_B3 0
  BAD_TASK "null SS", 10, 0
  TASK_B3 CODE3
  BAD_TASK "code in SS", 10, CODE3 & ~3
  DESCRIPTOR S(5), 0, 0xFFFFF, 0x73, FLAGS32
  TASK_B3 S(5) + 3
  BAD_TASK "SS not present", 12, S(5)
  TASK_B task_1
  movl $DATA0, tss_b + CS
  BAD_TASK "data in CS", 10, DATA0
  TASK_B task_1
  movl $0, tss_b + CS
  BAD_TASK "null CS", 10, 0
  DESCRIPTOR S(5), 0, 0xFFFFF, 0x1B, FLAGS32
  TASK_B task_1
  movl $S(5), tss_b + CS
  BAD_TASK "CS not present", 11, S(5)
  TASK_B3 DATA3
  movl $DATA0, tss_b + LDT
  BAD_TASK "LDT of data", 10, DATA0
  DESCRIPTOR LDT_B, FREE_MEMORY, 0xF, 0x02, 0
  TASK_B3 DATA3
  movl $LDT_B, tss_b + LDT
  BAD_TASK "LDT not present", 10, LDT_B

/* LDT of a task. */
  DESCRIPTOR LDT_B, FREE_MEMORY, 0xF, 0x82, 0
  movl $0x1000FFFF, FREE_MEMORY + 8
  movl $0x00409310, FREE_MEMORY + 12
  movl $0xFEEDBEEF, 0x101000
  TASK_B task_ldt
  movl $LDT_B, tss_b + LDT
  movl $0xC, tss_b + GS
  lcall $TSS_B, $0
  CHECK "LDT of the task", seen, $0xFEEDBEEF
  CHECK "LDTR of the task", seen_link, $LDT_B
  movl $0xFFFF, %ebx
  sldtl %ebx
  CHECK "LDTR is back", %ebx, $0

/* Task in ring 3, which leaves by a call back through its link. */
  TASK_B task_ring3, 0x3002
  movl $CODE3, tss_b + CS
  movl $DATA3, tss_b + SS
  movl $DATA3, tss_b + DS
  movl $DATA3, tss_b + ES
  movl $DATA0, tss_b + 8
  movl $STACK_A, tss_b + 4
  movl $0, seen
  lcall $TSS_B, $0
  CHECK "task in ring 3", seen, $0x3333
  CHECK "its CS", seen_cs, $CODE3
  CHECK "its IRET needs no privilege", seen_flags, $0x7002

/* CR3 belongs to the task, when paging is on. */
  movl $0x30000, %edi
  movl $0x003, %eax
  movl $0x400, %ecx
1:
  movl %eax, (%edi)
  movl %eax, 0x1000(%edi)
  addl $0x1000, %eax
  addl $4, %edi
  loop 1b
  movl $0x00042003, 0x31000 + 0x40 * 4
  movl $0x2000, %ecx
  movl $0x32000, %edi
  xorl %eax, %eax
  rep stosb
  movl $0x30003, 0x32000
  movl $0x31003, 0x33000
  movl $0x11111111, 0x40000
  movl $0x22222222, 0x42000
  movl $0x32000, %eax
  movl %eax, %cr3
  movl %eax, tss + CR3
  movl %cr0, %eax
  orl $0x80000000, %eax
  movl %eax, %cr0
  TASK_B task_page
  movl $0x33000, tss_b + CR3
  movl 0x40000, %ebx
  movl $0, seen
  lcall $TSS_B, $0
  movl %cr3, %ecx
  movl 0x40000, %edx
  CHECK "before the switch", %ebx, $0x11111111
  CHECK "with the task's CR3", seen, $0x22222222
  CHECK "back in the old one", %edx, $0x11111111
  CHECK "CR3 is back", %ecx, $0x32000
  movl %cr0, %eax
  andl $0x7FFFFFFF, %eax
  movl %eax, %cr0

/* The T bit: a debug exception before the first instruction. */
  TASK_B task_1
  movw $1, tss_b + TRAP
  xorl %eax, %eax
  movl %eax, %dr6
  GUARD 1f
  lcall $TSS_B, $0
1:
  TRAPPED "T bit", 1, NONE, task_1
  movl %dr6, %ebx
  CHECK_BITS "T bit: DR6.BT", %ebx, 0xE00F, 0x8000
  xorl %eax, %eax
  movl %eax, %dr6
  movb $0x89, gdt + TSS0 + 5
  movw $TSS0, %ax
  ltrw %ax
  clts

/* A 16-bit TSS. */
  DESCRIPTOR TSS_16, 0, 0x2B, 0x81, 0
  movw $tss_16, gdt + TSS_16 + 2
  movw $task_16, tss_16 + 0x0E
  movw $2, tss_16 + 0x10
  movw $0xA1A1, tss_16 + 0x12
  movw $0x5678, tss_16 + 0x18
  movw $0xF000, tss_16 + 0x1A
  movw $DATA0, tss_16 + 0x22
  movw $CODE16, tss_16 + 0x24
  movw $DATA16, tss_16 + 0x26
  movw $DATA0, tss_16 + 0x28
  movl $0, seen
  movl $0x89ABCDEF, %ebx
  movl %esp, %ebp
  lcall $TSS_16, $0
back_16:
  movl %esp, %edx
  movl %ebp, %esp
  CHECK "16-bit TSS: AX", seen, $0xA1A1
  CHECK "16-bit TSS: link", seen_link, $TSS0
  CHECK "16-bit TSS: EBX is back", %ebx, $0x89ABCDEF
  CHECK "16-bit TSS: ESP is back", %edx, %ebp
  CHECK_BITS "16-bit TSS: IP of the left task", tss_16 + 0x0E, 0xFFFF, task_16_end
  BUSY "16-bit TSS: busy", TSS_16, 0
  clts
  movw $0x2A, gdt + TSS_16
  FAULTS "16-bit TSS too short", 10, TSS_16, lcall $TSS_16, $0

/* TS makes the next x87 instruction fault. */
  TASK_B task_1
  fninit
  lcall $TSS_B, $0
  FAULTS "x87 after a task switch", 7, NONE, fld1
  clts
  RUNS "x87 after CLTS", fninit
  FINISH

.macro REPORT
  pushal
  movl %esp, %esi
  movl $task_registers, %edi
  movl $8, %ecx
  cld
  rep movsl
  movl %fs, %eax
  movl %eax, seen_fs
  pushfl
  popl seen_flags
  movzwl tss_b + LINK, %eax
  movl %eax, seen_link
  xorl %eax, %eax
  strl %eax
  movl %eax, seen_tr
  movl gdt + TSS0 + 4, %eax
  movl %eax, seen_busy
  movl gdt + TSS_B + 4, %eax
  movl %eax, seen_busy_b
  movl %cr0, %eax
  movl %eax, seen_cr0
  popal
.endm

task_1:
  REPORT
  movl $0x1234, seen
  iretl
after_1:
  movl $0x5678, seen
  iretl

task_2:
  REPORT
  ljmp $TSS0, $0

task_int:
  REPORT
  movl $0x1111, seen
  iretl

task_error:
  popl seen_error
  movl tss + EIP, %eax
  movl %eax, seen_eip
  movl %ebx, %ebx
  /* Go on behind the fault. */
  movl tss + EBX, %eax
  movl %eax, tss + EIP
  movl $0x2222, seen
  iretl

task_ldt:
  movl %gs:0, %eax
  movl %eax, seen
  xorl %eax, %eax
  sldtl %eax
  movl %eax, seen_link
  iretl

task_ring3:
  movl $0x3333, seen
  movl %cs, %eax
  movl %eax, seen_cs
  pushfl
  popl seen_flags
  iretl

task_page:
  movl 0x40000, %eax
  movl %eax, seen
  iretl

.code16
task_16:
  movzwl %ax, %eax
  movl %eax, seen
  movzwl tss_16, %eax
  movl %eax, seen_link
  iretw
task_16_end:
.code32

.data
.balign 128
tss_b: .skip 0x80
tss_16: .skip 0x40
seen: .skip 4
seen_fs: .skip 4
seen_cs: .skip 4
seen_eip: .skip 4
seen_flags: .skip 4
seen_error: .skip 4
seen_link: .skip 4
seen_tr: .skip 4
seen_busy: .skip 4
seen_busy_b: .skip 4
seen_cr0: .skip 4
flags_after: .skip 4
task_registers: .skip 32
