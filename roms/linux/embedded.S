/* The embedded guest: a kernel that runs one static i386 Linux program. Multiboot starts it here, without paging; it
   goes on in the last gigabyte. The rest is in embedded/. */
.set BASE, 0xC0000000
.set MAGIC, 0x1BADB002
.set FLAGS, 3               /* modules on page boundaries, memory size */

.section .multiboot, "a"
.balign 4
  .long MAGIC, FLAGS, -(MAGIC + FLAGS)

.text
.code32
.globl _start
_start:
  /* Physical memory at BASE in global pages of 4 MiB, and where it is until the jump. */
  movl $(page_directory - BASE), %edi
  movl $0x183, %eax
  movl %eax, (%edi)
  movl $224, %ecx
  leal 768 * 4(%edi), %esi
1:
  movl %eax, (%esi)
  addl $4, %esi
  addl $0x400000, %eax
  loop 1b
  movl %edi, %cr3
  /* PSE, PGE, OSFXSR, OSXMMEXCPT */
  movl %cr4, %eax
  orl $0x690, %eax
  movl %eax, %cr4
  /* PG, WP, NE, MP; neither EM nor TS */
  movl %cr0, %eax
  andl $~0xC, %eax
  orl $0x80010022, %eax
  movl %eax, %cr0
  movl $high, %eax
  jmp *%eax
high:
  movl $0, page_directory
  movl $kernel_stack_end, %esp
  lgdt gdt_pointer
  ljmp $0x08, $1f
1:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  addl $BASE, %ebx
  pushl %ebx
  call kernel_main
  ud2

.data
.balign 8
.globl gdt
gdt:
  .quad 0
  .quad 0x00CF9A000000FFFF  /* 08: kernel code */
  .quad 0x00CF92000000FFFF  /* 10: kernel data */
  .quad 0x00CFFA000000FFFF  /* 18: user code */
  .quad 0x00CFF2000000FFFF  /* 20: user data */
  .quad 0                   /* 28: TSS, filled in by the kernel */
  .quad 0, 0, 0             /* 30, 38, 40: thread-local storage */
gdt_pointer:
  .word . - gdt - 1
  .long gdt

.bss
.balign 4096
.globl page_directory
page_directory:
  .skip 4096
  .skip 16384
.globl kernel_stack_end
kernel_stack_end:
