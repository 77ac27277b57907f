/* What interrupt descriptors point to: a stub for each vector that leaves error code (or 0) and vector on the stack and
   goes on at the label `enter`. */
.macro stub vector, error=0
stub_\vector:
  .if \error == 0
  pushl $0
  .endif
  pushl $\vector
  jmp enter
.endm

.altmacro
.macro stubs first, last, error=0
  .set n, \first
  .rept \last - \first + 1
    stub %n, \error
    .set n, n + 1
  .endr
.endm

/* Stubs of all exceptions, some of which push an error code (SDM vol. 3, 6.15), and of the vectors up to `last`. */
.macro exception_stubs last
  stubs 0, 7
  stubs 8, 8, 1
  stubs 9, 9
  stubs 10, 14, 1
  stubs 15, 16
  stubs 17, 17, 1
  stubs 18, \last
.endm

/* The addresses of the stubs 0 to `last`. */
.macro stub_address vector
  .long stub_\vector
.endm
.macro stub_addresses last
  .set n, 0
  .rept \last + 1
    stub_address %n
    .set n, n + 1
  .endr
.endm
