/* Virtual-8086 mode. SDM vol. 3 chapter 20. */
#include "test.h"

#define VM 0x20000
#define S(n) (SCRATCH + 8 * (n))

/* To `label` in virtual-8086 mode with CS = DS = 0, ES 2000h, FS 3000h, GS 4000h and the stack at 2000:1000. */
.macro ENTER86 label
  pushl $0x4000
  pushl $0x3000
  pushl %ss:v86_ds
  pushl $0x2000
  pushl $0x2000
  pushl %ss:v86_sp
  pushl %ss:user_flags
  pushl $0
  pushl $\label
  iretl
.endm
.macro FAULTS86 name, vector, error, code:vararg
  GUARD .Lresume\@
  ENTER86 .Lat\@
.code16
.Lat\@:
  \code
  int $LEAVE
.code32
.Lresume\@:
  TRAPPED "\name", \vector, \error, .Lat\@
.endm
/* Runs, and leaves by a port that the bitmap denies: INT would need IOPL 3. */
.macro RUNS86 name, code:vararg
  GUARD .Lresume\@
  ENTER86 .Lat\@
.code16
.Lat\@:
  \code
.Lend\@:
  outb %al, $0xFF
.code32
.Lresume\@:
  TRAPPED "\name", 13, 0, .Lend\@
.endm

TESTS
  /* A TSS with an I/O bitmap in RAM above: ports 80h to 87h are free but for 84h. */
  movl $tss, %esi
  movl $FREE_MEMORY + 0x800, %edi
  movl $26, %ecx
  cld
  rep movsl
  movl $-1, %eax
  movl $0x900, %ecx
  rep stosl
  DESCRIPTOR S(0), FREE_MEMORY + 0x800, 0x68 + 0x2000, 0x89, 0
  movw $0x68, FREE_MEMORY + 0x800 + 0x66
  movb $0x10, FREE_MEMORY + 0x868 + 0x10
  movw $S(0), %ax
  ltrw %ax
  movl $VM + 2, user_flags

/* Entry and exit. */
  movl $0x11112222, %ebx
  RUNS86 "entry by IRET", incl %ebx
  CHECK "EBX", trap_ebx, $0x11112223
  CHECK_BITS "pushed flags: VM, IOPL 0", trap_eflags, VM + 0x3000, VM
  CHECK "pushed CS", trap_cs, $0
  CHECK "pushed SS", trap_ss, $0x2000
  CHECK "pushed ESP", trap_esp, $0x1000
  CHECK "pushed DS", trap_ds, $0
  CHECK "pushed ES", trap_es, $0x2000
  CHECK "pushed FS", trap_fs, $0x3000
  CHECK "pushed GS", trap_gs, $0x4000
  movl %fs, %ebx
  CHECK "FS in the handler is null", %ebx, $0
  movl %gs, %ebx
  CHECK "GS in the handler is null", %ebx, $0
  CHECK "handler's stack", handler_esp, $RING0_STACK - 24
  CHECK "handler's SS", handler_ss, $DATA0

/* Addresses. */
  movl $0xAAAA5555, 0x30010
  RUNS86 "FS is a paragraph number", movl %fs:0x10, %ebx
  CHECK "read", trap_ebx, $0xAAAA5555
  movl $0x1234ABCD, 0x100010
  movl $0xFFFF, v86_ds
  RUNS86 "FFFF:0020 is in the second megabyte", movl 0x20, %ebx
  CHECK "read", trap_ebx, $0x1234ABCD
  movl $0x2000, v86_ds
  FAULTS86 "dword across the 64 KiB limit", 13, 0, movl 0xFFFE, %ebx
  RUNS86 "last word", movw 0xFFFE, %bx
  movl $0x10000, %esi
  FAULTS86 "32-bit offset past the limit", 13, 0, movb (%esi), %bl
  movl $0x20000, %ebp
  FAULTS86 "32-bit offset past the limit of SS", 12, 0, movb (%ebp), %bl
  movl $0, v86_ds
  movl $0x44440006, v86_sp
  RUNS86 "PUSH", pushw %bx
  CHECK "PUSH uses SP only", trap_esp, $0x44440004
  movl $0, v86_sp
  RUNS86 "PUSH wraps", pushw %bx
  CHECK "PUSH wraps: ESP", trap_esp, $0x0000FFFE
  movl $1, v86_sp
  FAULTS86 "PUSH across the top", 12, 0, pushw %bx
  movl $0x1000, v86_sp
  GUARD 2f
  ENTER86 1f
.code16
1:
  movw $0x1234, %ax
  movw %ax, %fs
  pushw %fs
  popw %gs
  movw %gs, %bx
  movw %bx, %es
  pushw $0
  pushw $3f
  lretw
3:
  ljmp $0x10, $4f - 0x100
4:
  movw %cs, %cx
  outb %al, $0xFF
.code32
2:
  TRAPPED "segment loads and far jumps", 13, 0, 2b - 2 - 0x100
  CHECK "FS", trap_fs, $0x1234
  CHECK "ES", trap_es, $0x1234
  CHECK_BITS "CS after a far jump", trap_ecx, 0xFFFF, 0x10

/* Instructions that are sensitive to IOPL. */
  FAULTS86 "CLI, IOPL 0", 13, 0, cli
  FAULTS86 "STI, IOPL 0", 13, 0, sti
  FAULTS86 "PUSHF, IOPL 0", 13, 0, pushfw
  FAULTS86 "POPF, IOPL 0", 13, 0, popfw
  FAULTS86 "IRET, IOPL 0", 13, 0, iretw
  FAULTS86 "INT, IOPL 0", 13, 0, int $LEAVE
  FAULTS86 "PUSHFD, IOPL 0", 13, 0, pushfl
  movl $VM + 0x2002, user_flags
  FAULTS86 "CLI, IOPL 2", 13, 0, cli
  movl $VM + 0x3202, user_flags
  RUNS86 "CLI, IOPL 3", cli
  CHECK_BITS "CLI clears IF", trap_eflags, 0x3200, 0x3000
  movl $VM + 0x3002, user_flags
  GUARD 2f
  ENTER86 1f
.code16
1:
  pushfw
  popw %bx
  pushw $0xCED5 & ~0x4000
  popfw
  pushfw
  popw %cx
  nop
3:
  int $LEAVE
.code32
2:
  TRAPPED "INT, IOPL 3", LEAVE, NONE, 2b
  CHECK_BITS "PUSHF", trap_ebx, 0xFFFF, 0x3002
  CHECK_BITS "POPF leaves IOPL and changes IF", trap_ecx, 0xFFFF, 0xBED7 & ~0x8000
  CHECK_BITS "its flags at the INT", trap_eflags, 0x3FFFF, VM + 0x3ED7
  GUARD 2f
  ENTER86 1f
.code16
1:
  pushw $0x0202
  pushw $0
  pushw $3f
  iretw
3:
  int $LEAVE
.code32
2:
  TRAPPED "IRET, IOPL 3", LEAVE, NONE, 2b
  CHECK_BITS "IRET leaves IOPL and VM", trap_eflags, 0x27FFF, VM + 0x3202
  GUARD 2f
  ENTER86 1f
.code16
1:
  pushl $0x00050202 & ~VM
  pushl $0
  pushl $3f
  iretl
3:
  nop
  int $LEAVE
.code32
2:
  TRAPPED "IRETD, IOPL 3", LEAVE, NONE, 2b
  CHECK_BITS "IRETD stays in virtual-8086 mode", trap_eflags, 0x27FFF, VM + 0x3202
  IDT_GATE 0x50, trap, 0x8E
  FAULTS86 "INT through a gate of DPL 0, IOPL 3", 13, 0x50 * 8 + 2, int $0x50
  DESCRIPTOR S(1), 0, 0xFFFFF, 0x9F, FLAGS32
  IDT_GATE 0x50, trap, 0xEE, S(1)
  FAULTS86 "INT to conforming code", 13, S(1), int $0x50
  IDT_GATE 0x50, trap, 0xEE, CODE3
  FAULTS86 "INT to ring 3", 13, CODE3 - 3, int $0x50
  movl $VM + 2, user_flags
  FAULTS86 "INT3 through a gate of DPL 0", 13, 3 * 8 + 2, int3
  movb $0xEE, idt + 3 * 8 + 5
  GUARD 2f
  ENTER86 1f
.code16
1: int3
.code32
2:
  TRAPPED "INT3 is not sensitive to IOPL", 3, NONE, 2b
  IDT_DEFAULT 3

/* Not in this mode. */
  FAULTS86 "HLT", 13, 0, hlt
  FAULTS86 "LGDT", 13, 0, lgdtw 0x5000
  FAULTS86 "LMSW", 13, 0, lmsww %ax
  FAULTS86 "CLTS", 13, 0, clts
  FAULTS86 "MOV from CR0", 13, 0, movl %cr0, %eax
  FAULTS86 "MOV to DR7", 13, 0, movl %eax, %dr7
  FAULTS86 "LLDT", 6, NONE, lldtw %ax
  FAULTS86 "SLDT", 6, NONE, sldtw %ax
  FAULTS86 "LTR", 6, NONE, ltrw %ax
  FAULTS86 "STR", 6, NONE, strw %ax
  FAULTS86 "LAR", 6, NONE, larw %ax, %bx
  FAULTS86 "LSL", 6, NONE, lslw %ax, %bx
  FAULTS86 "VERR", 6, NONE, verr %ax
  FAULTS86 "ARPL", 6, NONE, arpl %ax, %bx
  RUNS86 "SMSW", smsww %bx
  CHECK_BITS "SMSW: PE", trap_ebx, 1, 1

/* Ports: the bitmap, whatever IOPL is. */
  RUNS86 "port 80h", inb $0x80, %al
  FAULTS86 "port 84h", 13, 0, inb $0x84, %al
  RUNS86 "word at 82h", inw $0x82, %ax
  FAULTS86 "word at 83h", 13, 0, inw $0x83, %ax
  FAULTS86 "dword at 81h", 13, 0, inl $0x81, %eax
  RUNS86 "dword at 80h", inl $0x80, %eax
  movl $VM + 0x3002, user_flags
  FAULTS86 "port 84h with IOPL 3", 13, 0, outb %al, $0x84
  movl $VM + 2, user_flags
  movw $0xFFFF, %dx
  FAULTS86 "word at port FFFFh", 13, 0, inw %dx, %ax
  movw $0x84, %dx
  FAULTS86 "INS", 13, 0, insb
  /* The same for ring 3. */
  movl $2, user_flags
  RUNS3 "ring 3: port 80h", inb $0x80, %al
  FAULTS3 "ring 3: port 84h", 13, 0, inb $0x84, %al
  FAULTS3 "ring 3: dword at 81h", 13, 0, outl %eax, $0x81
  movl $0x3002, user_flags
  RUNS3 "ring 3: port 84h with IOPL 3", inb $0x84, %al
  movl $2, user_flags
  /* Only as far as the limit of the TSS. */
  DESCRIPTOR S(0), FREE_MEMORY + 0x800, 0x68 + 0x10, 0x89, 0
  movw $S(0), %ax
  ltrw %ax
  FAULTS3 "ring 3: second byte of the bitmap is missing", 13, 0, inb $0x80, %al
  DESCRIPTOR S(0), FREE_MEMORY + 0x800, 0x68 + 0x11, 0x89, 0
  movw $S(0), %ax
  ltrw %ax
  RUNS3 "ring 3: bitmap that just reaches", inb $0x80, %al
  DESCRIPTOR S(0), FREE_MEMORY + 0x800, 0x68 + 0x2000, 0x89, 0
  movw $S(0), %ax
  ltrw %ax

/* Exceptions. */
  movl $VM + 2, user_flags
  xorl %ebx, %ebx
  FAULTS86 "DIV by 0", 0, NONE, divl %ebx
  FAULTS86 "UD2", 6, NONE, ud2
  movl $VM + 0x102, user_flags
  GUARD 2f
  ENTER86 1f
.code16
1: nop
.code32
2:
  TRAPPED "single step", 1, NONE, 2b
  movl $VM + 2, user_flags
  movl $0x10000, %eax
  FAULTS86 "JMP past the limit", 13, 0, jmpl *%eax
  /* VM cannot be set by POPF or by IRET in an outer ring. */
  pushl $VM + 2
  popfl
  pushfl
  popl %ebx
  CHECK "POPF does not set VM", %ebx, $2
  movl $2, user_flags
  GUARD 2f
  ENTER3 1f
1:
  pushl $VM + 2
  pushl $CODE3
  pushl $1f
  iretl
1: int $LEAVE
2:
  TRAPPED "IRET with VM in ring 3", LEAVE, NONE, 2b
  CHECK_BITS "it does not set VM", trap_eflags, VM, 0

/* A monitor that lets the guest have its INT 21h: reflected as real mode would. */
  movw $v86_int21, 0x21 * 4
  movw $0, 0x21 * 4 + 2
  IDT_GATE 13, monitor
  movl $VM + 2, user_flags
  movl $0, reflected
  movl $monitor_done, monitor_resume
  movl %esp, guard_esp
  ENTER86 v86_program
monitor_done:
  IDT_DEFAULT 13
  CHECK "monitor: interrupts reflected", reflected, $3
  CHECK_BITS "monitor: the program's result", %ebx, 0xFFFF, 3 * 5
FINISH

/* Handles INT 21h and IRET of the guest, and HLT as its end. */
monitor:
  addl $4, %esp
  pushal
  movw $DATA0, %ax
  movw %ax, %ds
  movzwl 36(%esp), %esi
  shll $4, %esi
  addl 32(%esp), %esi
  movzwl 48(%esp), %edi
  shll $4, %edi
  movl 44(%esp), %edx
  cmpb $0xCD, (%esi)
  je 1f
  cmpb $0xCF, (%esi)
  je 2f
  popal
  movw $DATA0, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl guard_esp, %esp
  jmp *monitor_resume
1:
  incl reflected
  subl $6, %edx
  movl 40(%esp), %eax
  movw %ax, 4(%edi, %edx)
  movl 36(%esp), %eax
  movw %ax, 2(%edi, %edx)
  movl 32(%esp), %eax
  addl $2, %eax
  movw %ax, (%edi, %edx)
  movl %edx, 44(%esp)
  movzbl 1(%esi), %ebx
  movzwl (, %ebx, 4), %eax
  movl %eax, 32(%esp)
  movzwl 2(, %ebx, 4), %eax
  movl %eax, 36(%esp)
  popal
  iretl
2:
  movzwl (%edi, %edx), %eax
  movl %eax, 32(%esp)
  movzwl 2(%edi, %edx), %eax
  movl %eax, 36(%esp)
  addl $6, %edx
  movl %edx, 44(%esp)
  popal
  iretl

.code16
v86_program:
  xorw %bx, %bx
  int $0x21
  int $0x21
  int $0x21
  hlt
v86_int21:
  addw $5, %bx
  iretw
.code32

.data
.balign 4
v86_ds: .long 0
v86_sp: .long 0x1000
monitor_resume: .long 0
reflected: .long 0
.text
