/* The library of the system tests. A test is

       #include "test.h"
       TESTS
         ...checks...
       FINISH

   TESTS leaves it in flat 32-bit protected mode in ring 0, paging off, interrupts off, with every vector of the IDT
   leading to `trap` below. Each check prints `ok NAME` or `FAIL NAME: got X want Y` on port E9h and COM1. */
#include "reset.h"

/* Selectors of the GDT; from SCRATCH on it is the test's own. */
#define CODE0 0x08
#define DATA0 0x10
#define CODE3 0x1B
#define DATA3 0x23
#define TSS0 0x28
#define CODE16 0x30
#define DATA16 0x38
#define SCRATCH 0x40
#define GDT_LIMIT 0x3FF

/* Access bytes. */
#define CODE 0x9B
#define DATA 0x93
#define DPL3 0x60
/* Flags in the order of the descriptor's byte 6. */
#define FLAGS32 0xC
#define FLAGS32_BYTE 0x4
#define FLAGS16 0x0

/* The error code of an exception that has none, and the vector of no exception at all. */
#define NONE 0xFFFFFFFF
/* INT of this vector leaves ring 3. */
#define LEAVE 0x40

#define STACK0 0xF00
#define RING0_STACK 0x20000
#define RING3_STACK 0x21000
#define FREE_MEMORY 0x22000

/* Writes a descriptor to the GDT. Changes no register. */
.macro DESCRIPTOR selector, base, limit, access, flags
  movl $(((\limit) & 0xFFFF) | (((\base) & 0xFFFF) << 16)), gdt + ((\selector) & ~7)
  movl $((((\base) >> 16) & 0xFF) | ((\access) << 8) | ((\limit) & 0xF0000) | ((\flags) << 20) | ((\base) & 0xFF000000)), gdt + ((\selector) & ~7) + 4
.endm
/* The same where the base is a label below 64 KiB. */
.macro DESCRIPTOR_AT selector, label, limit, access, flags
  DESCRIPTOR \selector, 0, \limit, \access, \flags
  movw $\label, gdt + ((\selector) & ~7) + 2
.endm
/* A call, interrupt, trap or task gate in the GDT. */
.macro GATE selector, target_selector, target, access, count=0
  movw $\target, gdt + (\selector & ~7)
  movw $\target_selector, gdt + (\selector & ~7) + 2
  movw $((\access) << 8 | \count), gdt + (\selector & ~7) + 4
  movw $0, gdt + (\selector & ~7) + 6
.endm
/* A gate of the IDT: 8Eh interrupt, 8Fh trap, EEh interrupt for ring 3, 85h task. */
.macro IDT_GATE vector, handler, access=0x8E, selector=CODE0
  movw $\handler, idt + \vector * 8
  movw $\selector, idt + \vector * 8 + 2
  movw $((\access) << 8), idt + \vector * 8 + 4
  movw $0, idt + \vector * 8 + 6
.endm
/* Restores the harness's own gate. */
.macro IDT_DEFAULT vector
  pushl $\vector
  call default_gate
.endm

.macro STRING text
.section .rodata
.Lstring\@:
  .asciz "\text"
.text
  pushl $.Lstring\@
.endm

/* Compares two operands of 32 bits. Changes no register and no flag. */
.macro CHECK name, got, want
  pushl \got
  pushl \want
  STRING "\name"
  call check
.endm
/* Compares the bits of `mask`. */
.macro CHECK_BITS name, got, mask, want
  pushl \got
  pushfl
  andl $(\mask), 4(%esp)
  popfl
  pushl $(\want)
  STRING "\name"
  call check
.endm
/* Passes when it is reached (or fails). */
.macro PASS name
  CHECK "\name", $0, $0
.endm
.macro FAILURE name
  CHECK "\name", $1, $0
.endm

/* Everything between GUARD and the label goes on at the label if it is interrupted. */
.macro GUARD label
  movl $\label, %ss:guard_resume
  movl %esp, %ss:guard_esp
.endm
/* Checks the exception since GUARD: vector, error code and EIP, and forgets it. */
.macro TRAPPED name, vector, error, eip
  pushl $(\vector)
  pushl $(\error)
  pushl $(\eip)
  STRING "\name"
  call check_trap
.endm
/* The instruction faults in ring 0 with this vector and error code, and EIP is its own. Keeps the registers. */
.macro FAULTS name, vector, error, code:vararg
  GUARD .Lresume\@
.Lat\@:
  \code
.Lresume\@:
  TRAPPED "\name", \vector, \error, .Lat\@
.endm
/* The instruction does not fault. */
.macro RUNS name, code:vararg
  GUARD .Lresume\@
  \code
.Lresume\@:
  TRAPPED "\name", NONE, NONE, 0
.endm
/* Goes to ring 3 with `user_ss`, `user_esp` and `user_flags`; the other registers are kept. DS and ES are the user's. */
.macro ENTER3 label, code=CODE3
  pushl $DATA3
  popl %ds
  pushl $DATA3
  popl %es
  pushl %ss:user_ss
  pushl %ss:user_esp
  pushl %ss:user_flags
  pushl $\code
  pushl $\label
  iretl
.endm
/* The same for one instruction in ring 3. */
.macro FAULTS3 name, vector, error, code:vararg
  GUARD .Lresume\@
  ENTER3 .Lat\@
.Lat\@:
  \code
  int $LEAVE
.Lresume\@:
  TRAPPED "\name", \vector, \error, .Lat\@
.endm
.macro RUNS3 name, code:vararg
  GUARD .Lresume\@
  ENTER3 .Lat\@
.Lat\@:
  \code
.Lend\@:
  int $LEAVE
.Lresume\@:
  TRAPPED "\name", LEAVE, NONE, .Lend\@ + 2
.endm

.macro TESTS
.text
.code32
tests:
.endm
.macro FINISH
  jmp finish
.endm

.text
.code16
main16:
  inb $0x92, %al
  orb $2, %al
  andb $0xFE, %al
  outb %al, $0x92
  /* All interrupts masked. */
  movb $0xFF, %al
  outb %al, $0x21
  outb %al, $0xA1
  movw $serial_settings, %si
1:
  lodsw
  testw %ax, %ax
  jz 2f
  movb %al, %dl
  movb $0x03, %dh
  movb %ah, %al
  outb %al, %dx
  jmp 1b
2:
  lgdtl gdt_pointer
  lidtl idt_pointer
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $CODE0, $main32

serial_settings:
  /* Low byte of the port, value: 115200 baud, 8N1, FIFOs on, no interrupts. */
  .byte 0xF9, 0x00, 0xFB, 0x80, 0xF8, 0x01, 0xF9, 0x00, 0xFB, 0x03, 0xFA, 0x07, 0xFC, 0x03, 0, 0

.code32
main32:
  movw $DATA0, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  xorl %eax, %eax
  movw %ax, %fs
  movw %ax, %gs
  movl $STACK0, %esp
  movl $bss_start, %edi
  movl $bss_end, %ecx
  subl %edi, %ecx
  rep stosb
  movl $255, %ecx
1:
  pushl %ecx
  call default_gate
  decl %ecx
  jns 1b
  movb $0xEE, idt + LEAVE * 8 + 5
  movl $tss, %eax
  movw %ax, gdt + TSS0 + 2
  movw $TSS0, %ax
  ltrw %ax
  movl $NONE, trap_vector
  movl $NONE, trap_error
  pushl $0
  popfl
  jmp tests

/* default_gate(vector): an interrupt gate to the vector's stub. */
default_gate:
  pushal
  movl 36(%esp), %ecx
  movl %ecx, %eax
  shll $4, %eax
  addl $stubs, %eax
  movw %ax, idt(, %ecx, 8)
  movw $CODE0, idt + 2(, %ecx, 8)
  movl $0x8E00, idt + 4(, %ecx, 8)
  popal
  ret $4

/* Sixteen bytes for each vector; they leave an error code (NONE if there is none) and the vector. */
.balign 16
stubs:
  .set vector, 0
  .rept 256
    .balign 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
    .else
      pushl $NONE
    .endif
    pushl $vector
    jmp trap
    .set vector, vector + 1
  .endr

/* Every exception and interrupt: stores all there is to know and goes on at `guard_resume` in ring 0. It pops only,
   so that stacks of any kind will do. */
trap:
  pushl %eax
  pushl %ds
  movw $DATA0, %ax
  movw %ax, %ds
  popl trap_ds
  popl trap_eax
  popl trap_vector
  popl trap_error
  popl trap_eip
  popl trap_cs
  popl trap_eflags
  andl $0xFFFF, trap_cs
  andl $0xFFFF, trap_ds
  movl %ebx, trap_ebx
  movl %ecx, trap_ecx
  movl %edx, trap_edx
  movl %esi, trap_esi
  movl %edi, trap_edi
  movl %ebp, trap_ebp
  movl %cr2, %eax
  movl %eax, trap_cr2
  movl %esp, trap_esp
  movw %ss, trap_ss
  movw %es, trap_es
  movw %fs, trap_fs
  movw %gs, trap_gs
  movw %ss, handler_ss
  movl %esp, handler_esp
  testl $0x20000, trap_eflags
  jnz 1f
  testl $3, trap_cs
  jz 2f
  popl trap_esp
  popl trap_ss
  jmp 2f
1:
  popl trap_esp
  popl trap_ss
  popl trap_es
  popl trap_ds
  popl trap_fs
  popl trap_gs
2:
  movw $DATA0, %ax
  movw %ax, %es
  movw %ax, %ss
  movl guard_esp, %esp
  pushl $2
  popfl
  incl trap_count
  movl guard_resume, %eax
  testl %eax, %eax
  jz unexpected
  pushl %eax
  movl $0, guard_resume
  movl trap_eax, %eax
  ret

unexpected:
  movl $STACK0, %esp
  incl failed
  movl $unexpected_text, %esi
  call print
  call print_trap
  call print_line
  jmp finish

/* check(got, want, name) */
check:
  pushfl
  pushal
  cld
  movl 48(%esp), %eax
  movl 44(%esp), %ebx
  movl 40(%esp), %esi
  cmpl %eax, %ebx
  je print_ok
  call print_fail
  movl $got_text, %esi
  call print
  movl 48(%esp), %eax
  call print_hex
  movl $want_text, %esi
  call print
  movl 44(%esp), %eax
  call print_hex
  call print_line
  popal
  popfl
  ret $12

print_ok:
  incl passed
  pushl %esi
  movl $ok_text, %esi
  call print
  popl %esi
  call print
  call print_line
  popal
  popfl
  ret $12

print_fail:
  incl failed
  pushl %esi
  movl $fail_text, %esi
  call print
  popl %esi
  jmp print

/* check_trap(vector, error, eip, name) */
check_trap:
  pushfl
  pushal
  cld
  movl $0, guard_resume
  cmpl $NONE, trap_vector
  jne 1f
  /* Nothing happened: there is no EIP to compare. */
  movl $0, trap_eip
1:
  movl 40(%esp), %esi
  movl 52(%esp), %eax
  cmpl %eax, trap_vector
  jne 2f
  movl 48(%esp), %eax
  cmpl %eax, trap_error
  jne 2f
  movl 44(%esp), %eax
  cmpl %eax, trap_eip
  jne 2f
  incl passed
  pushl %esi
  movl $ok_text, %esi
  call print
  popl %esi
  call print
  jmp 3f
2:
  call print_fail
  movl $got_text, %esi
  call print
  call print_trap
  movl $want_text, %esi
  call print
  movl 52(%esp), %eax
  movl 48(%esp), %ebx
  movl 44(%esp), %ecx
  call print_event
3:
  call print_line
  movl $NONE, trap_vector
  movl $NONE, trap_error
  popal
  popfl
  ret $16

print_trap:
  movl trap_vector, %eax
  movl trap_error, %ebx
  movl trap_eip, %ecx
/* Vector EAX with error code EBX at ECX. */
print_event:
  cmpl $NONE, %eax
  jne 1f
  movl $none_text, %esi
  jmp print
1:
  movl $vector_text, %esi
  call print
  call print_decimal
  cmpl $NONE, %ebx
  je 2f
  movl $error_text, %esi
  call print
  movl %ebx, %eax
  call print_hex
2:
  movl $at_text, %esi
  call print
  movl %ecx, %eax
  jmp print_hex

finish:
  movl $STACK0, %esp
  movl passed, %eax
  call print_decimal
  movl $passed_text, %esi
  call print
  movl failed, %eax
  call print_decimal
  movl $failed_text, %esi
  call print
  /* Wait until all is sent; debug exit: 0 is success. */
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $0x40, %al
  jz 1b
  xorl %eax, %eax
  cmpl $0, failed
  setne %al
  outb %al, $0xF4
  /* Where there is no such port: power off. */
  movl $shutdown_text, %esi
  movw $0x8900, %dx
  movl $8, %ecx
  rep outsb
  movw $0xB004, %dx
  movw $0x2000, %ax
  outw %ax, %dx
1:
  cli
  hlt
  jmp 1b

print_line:
  movb $'\n', %al
print_character:
  pushl %edx
  outb %al, $0xE9
  pushl %eax
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $0x20, %al
  jz 1b
  popl %eax
  movw $0x3F8, %dx
  outb %al, %dx
  popl %edx
  ret

print:
  pushl %eax
1:
  lodsb
  testb %al, %al
  jz 2f
  call print_character
  jmp 1b
2:
  popl %eax
  ret

print_hex:
  pushl %ecx
  pushl %eax
  movl $8, %ecx
1:
  roll $4, (%esp)
  movl (%esp), %eax
  andl $15, %eax
  movb digits(%eax), %al
  call print_character
  loop 1b
  popl %eax
  popl %ecx
  ret

print_decimal:
  pushl %ecx
  pushl %edx
  xorl %edx, %edx
  movl $10, %ecx
  divl %ecx
  testl %eax, %eax
  jz 1f
  call print_decimal
1:
  leal '0'(%edx), %eax
  call print_character
  popl %edx
  popl %ecx
  ret

.section .rodata
digits: .ascii "0123456789ABCDEF"
ok_text: .asciz "ok "
fail_text: .asciz "FAIL "
got_text: .asciz ": got "
want_text: .asciz " want "
none_text: .asciz "no exception"
vector_text: .asciz "vector "
error_text: .asciz " code "
at_text: .asciz " at "
unexpected_text: .asciz "FAIL unexpected: "
passed_text: .asciz " passed, "
failed_text: .asciz " failed\n"
shutdown_text: .ascii "Shutdown"

.data
.balign 8
gdt:
  .quad 0
  .quad 0x00CF9B000000FFFF
  .quad 0x00CF93000000FFFF
  .quad 0x00CFFB000000FFFF
  .quad 0x00CFF3000000FFFF
  .quad 0x0000890000000067
  .quad 0x00009B000000FFFF
  .quad 0x000093000000FFFF
  .fill (GDT_LIMIT + 1) / 8 - 8, 8, 0
gdt_pointer:
  .word GDT_LIMIT
  .long gdt
idt_pointer:
  .word 0x7FF
  .long idt
  .balign 4
tss:
  .long 0
tss_esp0:
  .long RING0_STACK, DATA0
  .skip 88
  .word 0, 0x68
user_ss:
  .long DATA3
user_esp:
  .long RING3_STACK
user_flags:
  .long 2

.bss
.balign 8
idt: .skip 2048
/* Below 64 KiB, within the reach of 16-bit code. */
.data
.balign 4
passed: .skip 4
failed: .skip 4
guard_resume: .skip 4
guard_esp: .skip 4
trap_count: .skip 4
trap_vector: .skip 4
trap_error: .skip 4
trap_eip: .skip 4
trap_cs: .skip 4
trap_eflags: .skip 4
trap_eax: .skip 4
trap_ebx: .skip 4
trap_ecx: .skip 4
trap_edx: .skip 4
trap_esi: .skip 4
trap_edi: .skip 4
trap_ebp: .skip 4
/* The interrupted stack; `handler_` is the handler's after EFLAGS has been popped. */
trap_esp: .skip 4
trap_ss: .skip 4
trap_ds: .skip 4
trap_es: .skip 4
trap_fs: .skip 4
trap_gs: .skip 4
trap_cr2: .skip 4
handler_ss: .skip 4
handler_esp: .skip 4
.text
