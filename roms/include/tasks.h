/* Exceptions handled by a task, for those that find no stack. */
#define HANDLER_TSS 0x3F8

/* Leads `vector` to a task that notes the exception and continues at the label of CATCH. */
.macro TASK_HANDLER vector
  pushl %eax
  movl %cr3, %eax
  movl %eax, tss + 28
  movl %eax, handler_tss + 28
  popl %eax
  DESCRIPTOR HANDLER_TSS, 0, 0x67, 0x89, 0
  movw $handler_tss, gdt + HANDLER_TSS + 2
  movl $handler_task, handler_tss + 32
  movl $2, handler_tss + 36
  movl $0x28000, handler_tss + 56
  movl $DATA0, handler_tss + 72
  movl $CODE0, handler_tss + 76
  movl $DATA0, handler_tss + 80
  movl $DATA0, handler_tss + 84
  movl $0, handler_tss + 96
  movw $0x68, handler_tss + 102
  IDT_GATE \vector, 0, 0x85, HANDLER_TSS
.endm
.macro TASK_CAUGHT name, error, eip
  CHECK "\name", task_error, $\error
  CHECK "\name: EIP", tss + 32, $\eip
.endm
.macro CATCH label
  movl $\label, task_resume
  movl %esp, task_esp
.endm

.text
/* Notes what happened and makes the interrupted task go on at `task_resume` in ring 0. */
handler_task:
  popl task_error
  movzwl tss + 76, %eax
  movl %eax, task_cs
  movl tss + 56, %eax
  movl %eax, task_old_esp
  movl tss + 32, %eax
  movl %eax, task_eip
  movl $task_back, tss + 32
  movl $2, tss + 36
  movl task_esp, %eax
  movl %eax, tss + 56
  movl $CODE0, tss + 76
  movl $DATA0, tss + 80
  movl $DATA0, tss + 84
  movl $DATA0, tss + 72
  iretl
task_back:
  movl task_eip, %eax
  movl %eax, tss + 32
  jmp *task_resume

.data
.balign 4
handler_tss: .skip 0x68
task_error: .long 0
task_resume: .long 0
task_esp: .long 0
task_old_esp: .long 0
task_eip: .long 0
task_cs: .long 0
.text
