/* The reset vector: copies the ROM from F000:1000 to 0000:1000 and continues there at `main16` in real mode with
   interrupts off, all data segments 0 and the stack below 1000h. */
.section .reset, "ax"
.code16
  ljmp $0xF000, $copy_rom
  .ascii "11/24/26"
  .byte 0, 0, 0

.text
.code16
copy_rom:
  cli
  cld
  movw $0xF000, %ax
  movw %ax, %ds
  xorw %ax, %ax
  movw %ax, %es
  movw $0x1000, %si
  movw %si, %di
  movl $0x3C00, %ecx
  rep movsl
  ljmp $0, $run_copy
run_copy:
  movw %ax, %ds
  movw %ax, %fs
  movw %ax, %gs
  movw %ax, %ss
  movl $0x1000, %esp
  jmp main16
