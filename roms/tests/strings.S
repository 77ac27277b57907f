/* String instructions: sizes, directions, repetition, address sizes, segments. SDM vol. 1, 7.3.9. */
#include "test.h"

#define SOURCE 0x30000
#define TARGET 0x40000

.macro INDEX esi, edi, ecx
  movl $(\esi), %esi
  movl $(\edi), %edi
  movl $(\ecx), %ecx
.endm
.macro STRINGS name, esi, edi, ecx
  CHECK "\name: ESI", %esi, $(\esi)
  CHECK "\name: EDI", %edi, $(\edi)
  CHECK "\name: ECX", %ecx, $(\ecx)
.endm
.macro FLAGS name, mask, want
  pushfl
  popl %edx
  CHECK_BITS "\name: flags", %edx, \mask, \want
.endm
#define ZF 0x40
#define CF 1

TESTS
  /* The source: bytes 0, 1, 2, ... */
  cld
  movl $SOURCE, %edi
  movl $0x1000, %ecx
  xorl %eax, %eax
1:
  stosb
  incb %al
  loop 1b

/* Single. */
  INDEX SOURCE + 1, TARGET, 5
  movsb
  STRINGS "MOVSB", SOURCE + 2, TARGET + 1, 5
  CHECK_BITS "MOVSB: memory", TARGET, 0xFF, 1
  INDEX SOURCE + 1, TARGET, 5
  movsw
  STRINGS "MOVSW", SOURCE + 3, TARGET + 2, 5
  CHECK_BITS "MOVSW: memory", TARGET, 0xFFFF, 0x0201
  INDEX SOURCE + 1, TARGET, 5
  movsl
  STRINGS "MOVSD", SOURCE + 5, TARGET + 4, 5
  CHECK "MOVSD: memory", TARGET, $0x04030201
  std
  INDEX SOURCE + 8, TARGET + 8, 5
  movsl
  STRINGS "MOVSD downwards", SOURCE + 4, TARGET + 4, 5
  cld
  CHECK "MOVSD downwards: memory", TARGET + 8, $0x0B0A0908
  movl $0x11223344, %eax
  movl $TARGET, %edi
  stosb
  stosw
  stosl
  CHECK "STOS: EDI", %edi, $TARGET + 7
  CHECK "STOS: memory", TARGET, $0x44334444
  CHECK_BITS "STOS: memory behind", TARGET + 4, 0xFFFFFF, 0x112233
  movl $~0, %eax
  movl $SOURCE + 4, %esi
  lodsb
  CHECK "LODSB", %eax, $0xFFFFFF04
  lodsw
  CHECK "LODSW", %eax, $0xFFFF0605
  lodsl
  CHECK "LODSD", %eax, $0x0A090807
  CHECK "LODS: ESI", %esi, $SOURCE + 11

/* Repeated. */
  movl $TARGET, %edi
  movl $0x400, %ecx
  xorl %eax, %eax
  rep stosl
  STRINGS "REP STOSD", SOURCE + 11, TARGET + 0x1000, 0
  INDEX SOURCE + 3, TARGET + 5, 300
  rep movsb
  STRINGS "REP MOVSB", SOURCE + 303, TARGET + 305, 0
  INDEX SOURCE + 3, TARGET + 5, 300
  repe cmpsb
  FLAGS "REPE CMPSB of equal strings", ZF + CF, ZF
  STRINGS "REPE CMPSB of equal strings", SOURCE + 303, TARGET + 305, 0
  CHECK_BITS "before it", TARGET + 1, 0xFFFFFFFF, 0
  CHECK_BITS "behind it", TARGET + 305, 0xFFFFFFFF, 0
  INDEX SOURCE, TARGET, 0x100
  rep movsl
  STRINGS "REP MOVSD", SOURCE + 0x400, TARGET + 0x400, 0
  CHECK "REP MOVSD: memory", TARGET + 0x3FC, $0xFFFEFDFC
  std
  INDEX SOURCE + 0x3FE, TARGET + 0x7FE, 0x200
  rep movsw
  STRINGS "REP MOVSW downwards", SOURCE - 2, TARGET + 0x3FE, 0
  cld
  CHECK "REP MOVSW downwards: memory", TARGET + 0x400, $0x03020100
  CHECK "REP MOVSW downwards: memory", TARGET + 0x7FC, $0xFFFEFDFC
  /* Overlapping: a pattern is spread upwards, a block moved up by copying downwards. */
  movl $0x04030201, TARGET
  INDEX TARGET, TARGET + 1, 63
  rep movsb
  CHECK "overlap by 1 upwards", TARGET + 60, $0x01010101
  movl $0x04030201, TARGET
  INDEX TARGET, TARGET + 4, 63
  rep movsb
  CHECK "overlap by 4 upwards", TARGET + 60, $0x04030201
  movl $0x04030201, TARGET
  movl $0x08070605, TARGET + 4
  INDEX TARGET, TARGET + 2, 30
  rep movsl
  CHECK "overlap by 2 in dwords: 1", TARGET, $0x02010201
  CHECK "overlap by 2 in dwords: 2", TARGET + 4, $0x04030403
  std
  movl $0x04030201, TARGET
  movl $0x08070605, TARGET + 4
  INDEX TARGET + 7, TARGET + 8, 8
  rep movsb
  cld
  CHECK "overlap downwards: 1", TARGET + 1, $0x04030201
  CHECK "overlap downwards: 2", TARGET + 5, $0x08070605
  INDEX 1, 2, 0
  rep movsb
  rep stosb
  rep lodsb
  STRINGS "REP with ECX = 0", 1, 2, 0

/* Comparisons. */
  INDEX SOURCE, TARGET, 0x100
  rep movsb
  movb $0x99, TARGET + 0x80
  INDEX SOURCE, TARGET, 0x100
  repe cmpsb
  FLAGS "REPE CMPSB stops", ZF + CF, CF
  STRINGS "REPE CMPSB stops", SOURCE + 0x81, TARGET + 0x81, 0x7F
  INDEX SOURCE, TARGET + 1, 0x80
  repne cmpsb
  FLAGS "REPNE CMPSB", ZF, 0
  STRINGS "REPNE CMPSB", SOURCE + 0x80, TARGET + 0x81, 0
  INDEX SOURCE, TARGET, 0x40
  repe cmpsl
  FLAGS "REPE CMPSD stops", ZF + CF, CF
  STRINGS "REPE CMPSD stops", SOURCE + 0x84, TARGET + 0x84, 0x1F
  std
  INDEX SOURCE + 0xFE, TARGET + 0xFE, 0x80
  repe cmpsw
  FLAGS "REPE CMPSW downwards", ZF, 0
  STRINGS "REPE CMPSW downwards", SOURCE + 0x7E, TARGET + 0x7E, 0x40
  cld
  movb $0x42, %al
  INDEX 0, SOURCE, 0x100
  repne scasb
  FLAGS "REPNE SCASB", ZF, ZF
  STRINGS "REPNE SCASB", 0, SOURCE + 0x43, 0xBD
  movl $0x0B0A0908, %eax
  INDEX 0, SOURCE, 0x40
  repne scasl
  STRINGS "REPNE SCASD", 0, SOURCE + 12, 0x3D
  movw $0x1234, %ax
  INDEX 0, SOURCE, 0x40
  repne scasw
  FLAGS "REPNE SCASW finds nothing", ZF, 0
  STRINGS "REPNE SCASW finds nothing", 0, SOURCE + 0x80, 0
  movl $TARGET, %edi
  movl $0x40, %ecx
  movb $7, %al
  rep stosb
  movl $TARGET, %edi
  movl $0x50, %ecx
  repe scasb
  STRINGS "REPE SCASB", 0, TARGET + 0x41, 0xF
  /* The flags of the last comparison, or none if there was no round. */
  stc
  movl $0, %ecx
  repe cmpsb
  FLAGS "CMPS with ECX = 0 leaves the flags", CF, CF
  movb $0x80, TARGET
  movb $1, TARGET + 0x10
  movl $TARGET + 0x10, %esi
  movl $TARGET, %edi
  cmpsb
  FLAGS "CMPSB subtracts the target from the source", 0x8D5, 0x885
  movb $1, %al
  movl $TARGET, %edi
  scasb
  FLAGS "SCASB subtracts the target from AL", 0x8D5, 0x885
  /* The other prefix means REP, too. */
  INDEX SOURCE, TARGET, 4
  .byte 0xF2, 0xA4
  STRINGS "F2 MOVSB", SOURCE + 4, TARGET + 4, 0
  INDEX SOURCE, TARGET, 4
  .byte 0x66, 0xF3, 0xA5
  STRINGS "REP MOVSW by prefix", SOURCE + 8, TARGET + 8, 0
  INDEX SOURCE, TARGET, 4
  .byte 0xF3, 0x66, 0xA5
  STRINGS "prefixes the other way round", SOURCE + 8, TARGET + 8, 0

/* 16-bit addresses: SI, DI and CX only, wrapping in 64 KiB. */
  movl $0x00A1B2C3, 0x5F00
  movl $0xFFFF5F00, %esi
  movl $0xAAAA5F10, %edi
  movl $0xBBBB0003, %ecx
  .byte 0x67
  rep movsb
  STRINGS "16-bit REP MOVSB", 0xFFFF5F03, 0xAAAA5F13, 0xBBBB0000
  CHECK_BITS "16-bit REP MOVSB: memory", 0x5F10, 0xFFFFFF, 0xA1B2C3
  movl $0x12345F00, %esi
  .byte 0x67
  lodsl
  CHECK "16-bit LODSD", %eax, $0x00A1B2C3
  CHECK "16-bit LODSD: ESI", %esi, $0x12345F04
  movl $0x43215F00, %edi
  .byte 0x67
  scasl
  FLAGS "16-bit SCASD", ZF, ZF
  CHECK "16-bit SCASD: EDI", %edi, $0x43215F04
  movl $0x43210000, %esi
  std
  .byte 0x67
  lodsb
  cld
  CHECK "16-bit LODSB wraps", %esi, $0x4321FFFF

/* Segments: the source can be overridden, the target is always in ES. */
  DESCRIPTOR SCRATCH, SOURCE, 0xFFFF, 0x93, FLAGS32_BYTE
  DESCRIPTOR SCRATCH + 8, TARGET, 0xFFFF, 0x93, FLAGS32_BYTE
  movw $SCRATCH, %ax
  movw %ax, %fs
  movw $SCRATCH + 8, %ax
  movw %ax, %es
  INDEX 4, 0x100, 4
  .byte 0x64
  rep movsb
  CHECK "MOVS from FS to ES", TARGET + 0x100, $0x07060504
  INDEX 8, 0x100, 1
  .byte 0x64
  movsl
  CHECK "MOVSD from FS", TARGET + 0x100, $0x0B0A0908
  movl $8, %esi
  .byte 0x64
  lodsl
  CHECK "LODSD from FS", %eax, $0x0B0A0908
  movl $0x200, %edi
  .byte 0x64
  stosl
  CHECK "STOSD ignores an override", TARGET + 0x200, $0x0B0A0908
  INDEX 8, 0x200, 4
  .byte 0x64
  repe cmpsb
  FLAGS "CMPSB from FS", ZF, ZF
  movl $0x200, %edi
  .byte 0x64
  scasl
  FLAGS "SCASD ignores an override", ZF, ZF
  /* Limits in the middle of a repetition. */
  movw $DATA0, %ax
  movw %ax, %es
  movl $0xFFF0, %esi
  movl $TARGET, %edi
  movl $100, %ecx
  GUARD 2f
1: .byte 0x64
  rep movsb
2:
  TRAPPED "REP MOVSB to the limit", 13, 0, 1b
  STRINGS "REP MOVSB to the limit", 0x10000, TARGET + 16, 84
  movw $SCRATCH + 8, %ax
  movw %ax, %es
  movl $0xFFF6, %edi
  movl $100, %ecx
  GUARD 2f
1: rep stosl
2:
  TRAPPED "REP STOSD to the limit", 13, 0, 1b
  CHECK "REP STOSD to the limit: EDI", %edi, $0xFFFE
  CHECK "REP STOSD to the limit: ECX", %ecx, $98
  movw $SCRATCH + 8, %ax
  movw %ax, %es
  std
  movl $8, %edi
  movl $100, %ecx
  GUARD 2f
1: rep stosl
2:
  cld
  TRAPPED "REP STOSD below 0", 13, 0, 1b
  CHECK "REP STOSD below 0: EDI", %edi, $0xFFFFFFFC
  CHECK "REP STOSD below 0: ECX", %ecx, $97
  movw $0, %ax
  movw %ax, %fs

/* Ports. */
  movl $TARGET, %edi
  movl $4, %ecx
  movw $0x21, %dx
  movl $0, TARGET
  rep insb
  CHECK "REP INSB", TARGET, $0xFFFFFFFF
  CHECK "REP INSB: EDI", %edi, $TARGET + 4
  CHECK "REP INSB: ECX", %ecx, $0
  movl $SOURCE, %esi
  movl $4, %ecx
  movw $0x80, %dx
  rep outsb
  CHECK "REP OUTSB: ESI", %esi, $SOURCE + 4
  std
  outsw
  cld
  CHECK "OUTSW downwards", %esi, $SOURCE + 2

/* Large blocks, across many pages, of every alignment. */
  movl $0x200000, %edi
  movl $0x40000, %ecx
  movl $0x9E3779B9, %eax
1:
  stosl
  imull $1664525, %eax, %eax
  addl $1013904223, %eax
  loop 1b
  xorl %ebx, %ebx
2:
  movl $0x200001, %esi
  leal 0x400000(%ebx), %edi
  movl $0x3FFF0, %ecx
  rep movsl
  movl $0x200001, %esi
  leal 0x400000(%ebx), %edi
  movl $0xFFFC0, %ecx
  repe cmpsb
  jne 3f
  incl %ebx
  cmpl $4, %ebx
  jb 2b
3:
  CHECK "blocks of a megabyte", %ebx, $4
  CHECK "to the end", %ecx, $0
FINISH
