/* Real mode for the tests. */

/* Switches to 16-bit real mode and back in line; all registers are kept but for the segments, which are 0 in real
   mode. In real mode all vectors of the table lead to the same recorder. */
.macro REAL
  call enter_real
.code16
.endm
.macro PROTECTED
  call leave_real
.code32
.endm
/* In real mode: go on at `label` (IP in segment 0) after an exception. */
.macro GUARD16 label
  movl $\label, %cs:guard_resume
  movl %esp, %cs:guard_esp
.endm

.text
.code32
/* Called from 32-bit protected mode; returns to its caller's 16-bit code in real mode. */
enter_real:
  movl %eax, real_eax
  popl real_return
  movl %esp, real_esp
  ljmp $CODE16, $1f
.code16
1:
  movw $DATA16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %fs
  movw %ax, %gs
  movw %ax, %ss
  lidtl real_idt
  movl %cr0, %eax
  andb $0xFE, %al
  movl %eax, %cr0
  ljmp $0, $1f
1:
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %fs
  movw %ax, %gs
  movw %ax, %ss
  movl real_esp, %esp
  cmpb $0, real_table
  jne 3f
  /* All vectors: a CALL into `real_stubs`, whose return address tells the number. */
  incb real_table
  movw $real_stubs, %ax
  jmp fill
3:
  movl real_eax, %eax
  jmp *real_return
fill:
  pushw %di
  pushw %cx
  pushfw
  cld
  xorw %di, %di
  movw $256, %cx
1:
  stosw
  movw $0, %es:(%di)
  addw $2, %di
  addw $4, %ax
  loop 1b
  popfw
  popw %cx
  popw %di
  movl real_eax, %eax
  jmp *real_return

/* Called from 16-bit real mode; returns to 32-bit protected mode. */
leave_real:
  cli
  movl %eax, %cs:real_eax
  popw %cs:real_return
  movw $0, %cs:real_return + 2
  movl %esp, %cs:real_esp
  lidtl %cs:idt_pointer
  lgdtl %cs:gdt_pointer
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $CODE0, $1f
.code32
1:
  movw $DATA0, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl real_esp, %esp
  xorl %eax, %eax
  movw %ax, %fs
  movw %ax, %gs
  movl real_eax, %eax
  jmp *real_return

.code16
real_stubs:
  .rept 256
  call real_trap
  nop
  .endr
/* Records the exception and goes on at `guard_resume` in segment 0. */
real_trap:
  popw %cs:trap_vector
  popw %cs:trap_eip
  popw %cs:trap_cs
  popw %cs:trap_eflags
  movl %ebx, %cs:trap_ebx
  movl %ecx, %cs:trap_ecx
  movl %edx, %cs:trap_edx
  movl %esi, %cs:trap_esi
  movl %edi, %cs:trap_edi
  movl %ebp, %cs:trap_ebp
  movl %esp, %cs:trap_esp
  movl %eax, %cs:trap_eax
  movw %cs:trap_vector, %ax
  subw $real_stubs + 3, %ax
  shrw $2, %ax
  movw %ax, %cs:trap_vector
  movw $0, %cs:trap_vector + 2
  movw $0, %cs:trap_eip + 2
  movw $0, %cs:trap_cs + 2
  movw $0, %cs:trap_eflags + 2
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl guard_esp, %esp
  pushw $2
  popfw
  movl trap_eax, %eax
  jmp *guard_resume
.code32

.data
.balign 4
real_idt:
  .word 0x3FF
  .long 0
  .balign 4
real_return: .long 0
real_esp: .long 0
real_eax: .long 0
real_table: .long 0
.text
