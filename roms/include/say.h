/* Text on port E9h for systems in real mode. Whoever includes this has `say`, which prints the text behind its call. */

/* Prints the text that follows the macro's call. */
.macro SAY text:vararg
  call say
  .asciz \text
.endm
.macro LINE
  call newline
.endm

newline:
  pushw %ax
  movb $'\n', %al
  outb %al, $0xE9
  popw %ax
  ret
