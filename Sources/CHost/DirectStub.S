// The program of the sandbox process, complete with its ELF header: the monitor writes these bytes to a memory
// file and executes it. It has two threads and no stack but the signal stack. The guest thread runs ring-3
// code of the guest in compatibility mode; every trap is a signal whose frame lies in memory that the monitor
// shares. The worker thread changes mappings. Everything here can be reached by guest code that jumps to
// 64-bit mode, so the system-call sites are only as useful as the two seccomp filters allow.
#include "include/DirectStubLayout.h"

#define SYS_mmap 9
#define SYS_mprotect 10
#define SYS_munmap 11
#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigreturn 15
#define SYS_clone 56
#define SYS_exit_group 231
#define SYS_sigaltstack 131
#define SYS_modify_ldt 154
#define SYS_prctl 157
#define SYS_futex 202
#define SYS_close 3
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

  .section .rodata, "a", @progbits
  .balign 4096
  .globl switchback_stub_begin, switchback_stub_end
  .globl switchback_stub_guest_wake, switchback_stub_guest_wait, switchback_stub_guest_return
  .globl switchback_stub_guest_ldt, switchback_stub_worker_map, switchback_stub_worker_unmap
  .globl switchback_stub_worker_protect, switchback_stub_worker_wait
  .globl switchback_stub_worker_done
  .code64

switchback_stub_begin:
  // Elf64_Ehdr
  .byte 0x7F, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
  .short 2, 62
  .long 1
  .quad STUB_CODE + (start - switchback_stub_begin)
  .quad 64, 0
  .long 0
  .short 64, 56, 2, 0, 0, 0
  // PT_LOAD, read and execute
  .long 1, 5
  .quad 0, STUB_CODE, STUB_CODE
  .quad switchback_stub_end - switchback_stub_begin, switchback_stub_end - switchback_stub_begin, 4096
  // PT_GNU_STACK, read and write
  .long 0x6474E551, 6
  .quad 0, 0, 0, 0, 0, 16

#define ADDRESS(label) (STUB_CODE + (label - switchback_stub_begin))

// Wakes who waits for a word of the status.
.macro WAKE word
  movl $SYS_futex, %eax
  leaq \word(%r12), %rdi
  movl $FUTEX_WAKE, %esi
  movl $1, %edx
  xorl %r10d, %r10d
  syscall
.endm
// Waits while a word of the control page is EBX.
.macro WAIT word
  movl $SYS_futex, %eax
  leaq \word(%r13), %rdi
  movl $FUTEX_WAIT, %esi
  movl %ebx, %edx
  xorl %r10d, %r10d
  syscall
.endm
// Step `number` of the start has returned: go on unless it failed or is to fail for a test.
.macro CHECKED number
  movl $\number, %ebp
  testq %rax, %rax
  js failed
  cmpl $\number, CONTROL_FAIL_STEP(%r13)
  je denied
.endm

start:
  movabsq $STUB_CONTROL, %r13
  movabsq $STUB_STATUS, %r12
  // Nothing remains but this code: no stack, no vDSO.
  movl $SYS_munmap, %eax
  xorl %edi, %edi
  movabsq $STUB_CODE, %rsi
  syscall
  movl $SYS_munmap, %eax
  movabsq $(STUB_CODE + 0x10000), %rdi
  movabsq $(0x7FFFFFFFF000 - STUB_CODE - 0x10000), %rsi
  syscall
  movl $SYS_mmap, %eax
  movq %r12, %rdi
  movl $STUB_STATUS_SIZE, %esi
  movl $3, %edx
  movl $0x11, %r10d
  movl $STUB_CONTROL_DESCRIPTOR, %r8d
  movl $STUB_CONTROL_SIZE, %r9d
  syscall
  testq %rax, %rax
  js exit
  movl $SYS_mmap, %eax
  movq %r13, %rdi
  movl $STUB_CONTROL_SIZE, %esi
  movl $1, %edx
  movl $0x11, %r10d
  movl $STUB_CONTROL_DESCRIPTOR, %r8d
  xorl %r9d, %r9d
  syscall
  testq %rax, %rax
  js exit
  CHECKED STEP_MAP_CONTROL
  movl $SYS_close, %eax
  movl $STUB_CONTROL_DESCRIPTOR, %edi
  syscall

  movl $SYS_sigaltstack, %eax
  leaq signal_stack(%rip), %rdi
  xorl %esi, %esi
  syscall
  CHECKED STEP_SIGNAL_STACK

  leaq signals(%rip), %rbx
1:
  movzbl (%rbx), %edi
  testl %edi, %edi
  jz 2f
  movl $SYS_rt_sigaction, %eax
  leaq action(%rip), %rsi
  xorl %edx, %edx
  movl $8, %r10d
  syscall
  CHECKED STEP_SIGNAL_ACTION
  incq %rbx
  jmp 1b
2:
  // The worker is never interrupted.
  movl $SYS_rt_sigprocmask, %eax
  movl $2, %edi
  leaq all_signals(%rip), %rsi
  xorl %edx, %edx
  movl $8, %r10d
  syscall
  CHECKED STEP_SIGNAL_MASK
  movl $SYS_prctl, %eax
  movl $38, %edi // PR_SET_NO_NEW_PRIVS
  movl $1, %esi
  xorl %edx, %edx
  xorl %r10d, %r10d
  xorl %r8d, %r8d
  syscall
  CHECKED STEP_NO_NEW_PRIVILEGES
  // What kernels without an LDT for user code refuse: an entry of the right kind, replaced later.
  movl $SYS_modify_ldt, %eax
  movl $0x11, %edi
  leaq first_descriptor(%rip), %rsi
  movl $16, %edx
  syscall
  // The result is 32 bits wide, zero-extended.
  movslq %eax, %rax
  CHECKED STEP_LDT
  // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
  movl $SYS_clone, %eax
  movl $0x50F00, %edi
  movq %r12, %rsi
  xorl %edx, %edx
  xorl %r10d, %r10d
  xorl %r8d, %r8d
  syscall
  testq %rax, %rax
  jz worker
  movl %eax, STATUS_WORKER(%r12)
  CHECKED STEP_WORKER

  movl $SYS_rt_sigprocmask, %eax
  movl $2, %edi
  leaq guest_mask(%rip), %rsi
  xorl %edx, %edx
  movl $8, %r10d
  syscall
  CHECKED STEP_SIGNAL_MASK
  // A filtered thread could not report the failure that a test asks for.
  movl $STEP_GUEST_FILTER, %ebp
  cmpl %ebp, CONTROL_FAIL_STEP(%r13)
  je denied
  movl $SYS_prctl, %eax
  movl $22, %edi // PR_SET_SECCOMP
  movl $2, %esi
  leaq CONTROL_GUEST_PROGRAM(%r13), %rdx
  syscall
  CHECKED STEP_GUEST_FILTER
  // The first stop: its frame is what the monitor fills in.
  ud2

denied:
  movq $-1, %rax
failed:
  negl %eax
  movl %eax, STATUS_FAILED_ERROR(%r12)
  movl %ebp, STATUS_FAILED_STEP(%r12)
exit:
  movl $SYS_exit_group, %eax
  movl $1, %edi
  syscall
  ud2

// The handler of all signals. RDX: the ucontext. The kernel has saved everything but DS, ES, FS and GS.
handler:
  movabsq $STUB_STATUS, %r12
  movabsq $STUB_CONTROL, %r13
  // AC and NT stay as the guest had them.
  movq $2, -8(%rsp)
  leaq -8(%rsp), %rsp
  popfq
  movl %edi, STATUS_SIGNAL(%r12)
  movq %rdx, STATUS_CONTEXT(%r12)
  movq %rdx, %r14
  movw %ds, STATUS_DS(%r12)
  movw %es, STATUS_ES(%r12)
  movw %fs, STATUS_FS(%r12)
  movw %gs, STATUS_GS(%r12)
  movl CONTROL_RUN(%r13), %ebx
  movl %ebx, STATUS_STOP(%r12)
  WAKE STATUS_STOP
switchback_stub_guest_wake:
1:
  movl CONTROL_RUN(%r13), %eax
  cmpl %ebx, %eax
  jne 2f
  WAIT CONTROL_RUN
switchback_stub_guest_wait:
  jmp 1b
2:
  movl CONTROL_LDT_COUNT(%r13), %ebx
  leaq CONTROL_LDT(%r13), %rbp
3:
  testl %ebx, %ebx
  jz 4f
  movl $SYS_modify_ldt, %eax
  movl $0x11, %edi
  movq %rbp, %rsi
  movl $16, %edx
  syscall
switchback_stub_guest_ldt:
  addq $16, %rbp
  decl %ebx
  jmp 3b
4:
  movw CONTROL_DS(%r13), %ds
  movw CONTROL_ES(%r13), %es
  movw CONTROL_FS(%r13), %fs
  movw CONTROL_GS(%r13), %gs
  // NT and ID are not in the frame.
  movl CONTROL_FLAGS(%r13), %eax
  movq %r14, %rsp
  pushq %rax
  popfq
  movl $SYS_rt_sigreturn, %eax
  syscall
switchback_stub_guest_return:
  ud2

worker:
  movl $STEP_WORKER_FILTER, %ebp
  cmpl %ebp, CONTROL_FAIL_STEP(%r13)
  je denied
  movl $SYS_prctl, %eax
  movl $22, %edi
  movl $2, %esi
  leaq CONTROL_WORKER_PROGRAM(%r13), %rdx
  syscall
  CHECKED STEP_WORKER_FILTER
  xorl %ebx, %ebx
worker_done:
  movl %ebx, STATUS_WORK(%r12)
  WAKE STATUS_WORK
switchback_stub_worker_done:
1:
  movl CONTROL_WORK(%r13), %eax
  cmpl %ebx, %eax
  jne 2f
  WAIT CONTROL_WORK
switchback_stub_worker_wait:
  jmp 1b
2:
  movl %eax, %ebx
  movl CONTROL_COMMAND_COUNT(%r13), %r15d
  leaq CONTROL_COMMANDS(%r13), %r14
  movl $0, STATUS_WORK_ERROR(%r12)
3:
  testl %r15d, %r15d
  jz worker_done
  movl 0(%r14), %eax
  movl 4(%r14), %edx
  movq 8(%r14), %rdi
  movq 16(%r14), %rsi
  cmpl $SYS_munmap, %eax
  je 5f
  cmpl $SYS_mprotect, %eax
  je 6f
  movl $SYS_mmap, %eax
  movl $0x8011, %r10d // SHARED, FIXED, POPULATE
  movl $STUB_RAM_DESCRIPTOR, %r8d
  movq 24(%r14), %r9
  syscall
switchback_stub_worker_map:
4:
  testq %rax, %rax
  js 7f
  addq $32, %r14
  decl %r15d
  jmp 3b
5:
  syscall
switchback_stub_worker_unmap:
  jmp 4b
6:
  syscall
switchback_stub_worker_protect:
  jmp 4b
7:
  negl %eax
  movl %eax, STATUS_WORK_ERROR(%r12)
  jmp worker_done

signals:
  .byte 4, 5, 7, 8, 10, 11, 31, 0 // ILL TRAP BUS FPE USR1 SEGV SYS
  .balign 8
action:
  .quad ADDRESS(handler)
  .quad 0x0C000004 // SIGINFO, ONSTACK, RESTORER
  .quad ADDRESS(exit)
all_signals:
  .quad -1
signal_stack:
  .quad STUB_STACK
  .quad 0
  .quad STUB_STACK_SIZE
guest_mask:
  .quad ~0x400006D8 & 0xFFFFFFFFFFFFFFFF
first_descriptor:
  // Entry 0: base 0, limit 0, 32-bit, read only, page granular.
  .long 0, 0, 0, 0x19
  .balign 4096
switchback_stub_end:
