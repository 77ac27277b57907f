/* A way for C code to run a piece of ring 3. */

/* enter_user(): goes to ring 3 with `user_registers` (EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS, defined in C) and
   returns after the next exception or interrupt, which `trap_vector` and its kin describe. */
.globl enter_user
enter_user:
  pushl %ebp
  pushl %ebx
  pushl %esi
  pushl %edi
  movl %esp, guard_esp
  movl $1f, guard_resume
  pushl $DATA3
  pushl user_registers + 16
  pushl user_registers + 36
  pushl $CODE3
  pushl user_registers + 32
  pushl $DATA3
  popl %ds
  pushl $DATA3
  popl %es
  pushl $DATA3
  popl %fs
  pushl $0
  popl %gs
  movl %ss:user_registers, %eax
  movl %ss:user_registers + 4, %ecx
  movl %ss:user_registers + 8, %edx
  movl %ss:user_registers + 12, %ebx
  movl %ss:user_registers + 20, %ebp
  movl %ss:user_registers + 24, %esi
  movl %ss:user_registers + 28, %edi
  iretl
1:
  popl %edi
  popl %esi
  popl %ebx
  popl %ebp
  ret

.globl trap_vector, trap_error, trap_eip, trap_cs, trap_eflags, trap_eax, trap_ebx, trap_ecx, trap_edx, trap_esi
.globl trap_edi, trap_ebp, trap_esp, trap_cr2
