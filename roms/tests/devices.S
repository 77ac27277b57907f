/* What software expects of the PC's devices: 8042 and keyboard, 16550A, MC146818, 8237, PCI, ACPI timer, VGA. */
#include "test.h"

.macro OUT8 port, value
  movb $(\value), %al
  movw $(\port), %dx
  outb %al, %dx
.endm
/* Reads a port into EBX, zero-extended. */
.macro IN8 port
  movw $(\port), %dx
  inb %dx, %al
  movzbl %al, %ebx
.endm
.macro INDEXED_OUT port, index, value
  OUT8 \port, \index
  OUT8 \port + 1, \value
.endm
.macro INDEXED_IN port, index
  OUT8 \port, \index
  IN8 \port + 1
.endm
.macro READS name, mask, want
  CHECK_BITS "\name", %ebx, \mask, \want
.endm
.macro CONTROLLER value
  call controller_ready
  OUT8 0x64, \value
.endm
.macro KEYBOARD value
  call controller_ready
  OUT8 0x60, \value
.endm
/* The next byte of the controller in EBX; 100h if none comes. */
.macro ANSWER name, want
  call controller_answer
  CHECK "\name", %ebx, $\want
.endm
.macro CMOS_IN index
  INDEXED_IN 0x70, \index
.endm
.macro PCI_ADDRESS device, function, register
  movl $(0x80000000 | ((\device) << 11) | ((\function) << 8) | (\register)), %eax
  movw $0xCF8, %dx
  outl %eax, %dx
  movw $0xCFC, %dx
.endm

TESTS
/* Ports of nothing. */
  movw $0x1234, %dx
  inl %dx, %eax
  CHECK "port of nothing", %eax, $0xFFFFFFFF
  movl 0xE0000000, %ebx
  CHECK "memory of nothing", %ebx, $0xFFFFFFFF

/* The keyboard controller. */
  CONTROLLER 0xAD
  call controller_drain
  CONTROLLER 0xAA
  ANSWER "8042 self-test", 0x55
  CONTROLLER 0xAB
  ANSWER "8042 interface test", 0
  CONTROLLER 0x60
  KEYBOARD 0x34
  CONTROLLER 0x20
  ANSWER "8042 command byte reads back", 0x34
  IN8 0x64
  READS "8042 status: system flag", 0x04, 0x04
  READS "8042 status: buffers are empty", 0x03, 0
  CONTROLLER 0xD2
  KEYBOARD 0x5A
  ANSWER "8042 byte written as from the keyboard", 0x5A
  CONTROLLER 0xD0
  call controller_answer
  READS "8042 output port: A20 on, no reset", 0x03, 0x03
  movl $0x11111111, 0x500
  movl $0x22222222, 0x100500
  CONTROLLER 0xD1
  KEYBOARD 0xDD
  call controller_ready
  movl 0x100500, %ecx
  CONTROLLER 0xD1
  KEYBOARD 0xDF
  call controller_ready
  movl 0x100500, %esi
  CHECK "A20 off by the 8042", %ecx, $0x11111111
  CHECK "A20 on by the 8042", %esi, $0x22222222
  CONTROLLER 0xDD
  call controller_ready
  movl 0x100500, %ecx
  CONTROLLER 0xDF
  call controller_ready
  movl 0x100500, %esi
  CHECK "A20 off by command DDh", %ecx, $0x11111111
  CHECK "A20 on by command DFh", %esi, $0x22222222
  CONTROLLER 0xAE
  call controller_drain
  KEYBOARD 0xEE
  ANSWER "keyboard echo", 0xEE
  KEYBOARD 0xF2
  ANSWER "keyboard identify: ACK", 0xFA
  ANSWER "keyboard identify: first byte", 0xAB
  call controller_answer
  READS "keyboard identify: second byte", 0xFE, 0x82
  KEYBOARD 0xED
  ANSWER "keyboard lights: ACK", 0xFA
  KEYBOARD 0x02
  ANSWER "keyboard lights: ACK of the argument", 0xFA
  KEYBOARD 0xF4
  ANSWER "keyboard enable: ACK", 0xFA
  KEYBOARD 0xF5
  ANSWER "keyboard disable: ACK", 0xFA
  KEYBOARD 0xFF
  ANSWER "keyboard reset: ACK", 0xFA
  ANSWER "keyboard reset: test passed", 0xAA

/* The 16550A. */
  call serial_idle
  OUT8 0x3FF, 0xA5
  IN8 0x3FF
  READS "UART scratch register", 0xFF, 0xA5
  IN8 0x3FA
  READS "UART identification: FIFOs on", 0xC0, 0xC0
  READS "UART identification: nothing pending", 0x0F, 0x01
  OUT8 0x3FB, 0x83
  IN8 0x3F8
  /* Nothing can be printed before the data register is back. */
  movl %ebx, %esi
  OUT8 0x3FB, 0x03
  CHECK "UART divisor", %esi, $1
  IN8 0x3FB
  READS "UART line control", 0xFF, 0x03
  OUT8 0x3FC, 0x1B
  OUT8 0x3F8, 0x42
  call serial_received
  IN8 0x3F8
  movl %ebx, %esi
  IN8 0x3FE
  movl %ebx, %edi
  OUT8 0x3FC, 0x1F
  IN8 0x3FE
  movl %ebx, %ecx
  call serial_idle
  IN8 0x3FD
  OUT8 0x3FC, 0x03
  READS "UART loop: line status", 0x61, 0x60
  CHECK "UART loop: byte", %esi, $0x42
  CHECK_BITS "UART loop: modem status", %edi, 0xF0, 0xB0
  CHECK_BITS "UART loop: OUT1 is RI", %ecx, 0xF0, 0xF0
  /* The transmitter's interrupt, polled. */
  call serial_idle
  OUT8 0x3F9, 0x02
  IN8 0x3FA
  movl %ebx, %esi
  IN8 0x3FA
  movl %ebx, %edi
  OUT8 0x3F9, 0x00
  CHECK_BITS "UART: transmitter empty is pending", %esi, 0x0F, 0x02
  CHECK_BITS "UART: reading tells it away", %edi, 0x0F, 0x01
  OUT8 0x3F9, 0xFF
  IN8 0x3F9
  movl %ebx, %esi
  OUT8 0x3F9, 0x00
  CHECK_BITS "UART: interrupt enable has four bits", %esi, 0xFF, 0x0F

/* The real-time clock. */
  INDEXED_OUT 0x70, 0x8F, 0xA5
  INDEXED_IN 0x70, 0x8F
  READS "CMOS byte", 0xFF, 0xA5
  INDEXED_OUT 0x70, 0xBF, 0x5A
  INDEXED_IN 0x70, 0xBF
  READS "another CMOS byte", 0xFF, 0x5A
  INDEXED_IN 0x70, 0x8F
  READS "the first is unchanged", 0xFF, 0xA5
  INDEXED_IN 0x70, 0x8D
  READS "clock: power is good", 0x80, 0x80
  /* Set and read back, in BCD, while it is stopped. */
  INDEXED_OUT 0x70, 0x8B, 0x82
  INDEXED_OUT 0x70, 0x80, 0x59
  INDEXED_OUT 0x70, 0x82, 0x59
  INDEXED_OUT 0x70, 0x84, 0x23
  INDEXED_OUT 0x70, 0x87, 0x28
  INDEXED_OUT 0x70, 0x88, 0x02
  INDEXED_OUT 0x70, 0x89, 0x24
  INDEXED_IN 0x70, 0x84
  READS "clock set: hours", 0xFF, 0x23
  INDEXED_IN 0x70, 0x8A
  READS "clock stopped: no update", 0x80, 0

/* The DMA controller's page and address registers. */
  OUT8 0x87, 0x5A
  IN8 0x87
  READS "DMA page register", 0xFF, 0x5A
  OUT8 0x0C, 0
  OUT8 0x02, 0x34
  OUT8 0x02, 0x12
  OUT8 0x0C, 0
  IN8 0x02
  movl %ebx, %esi
  IN8 0x02
  CHECK "DMA address: low byte", %esi, $0x34
  CHECK "DMA address: high byte", %ebx, $0x12
  OUT8 0x0D, 0
  IN8 0x0F
  READS "DMA mask after master clear", 0x0F, 0x0F

/* PCI configuration space. */
  movl $0x80000000, %eax
  movw $0xCF8, %dx
  outl %eax, %dx
  inl %dx, %eax
  CHECK "PCI address reads back", %eax, $0x80000000
  PCI_ADDRESS 0, 0, 0
  inl %dx, %eax
  CHECK "host bridge: 82441FX", %eax, $0x12378086
  PCI_ADDRESS 0, 0, 8
  inl %dx, %eax
  shrl $16, %eax
  CHECK "host bridge: class", %eax, $0x0600
  PCI_ADDRESS 1, 0, 0
  inl %dx, %eax
  CHECK "ISA bridge: 82371SB", %eax, $0x70008086
  PCI_ADDRESS 1, 0, 0x0C
  inl %dx, %eax
  shrl $16, %eax
  CHECK_BITS "ISA bridge: several functions", %eax, 0x80, 0x80
  PCI_ADDRESS 1, 3, 0
  inl %dx, %eax
  CHECK "power management: 82371AB", %eax, $0x71138086
  PCI_ADDRESS 31, 0, 0
  inl %dx, %eax
  CHECK "empty slot", %eax, $0xFFFFFFFF
  PCI_ADDRESS 0, 0, 0
  addw $2, %dx
  inw %dx, %ax
  movzwl %ax, %eax
  CHECK "word access", %eax, $0x1237
  incw %dx
  inb %dx, %al
  movzbl %al, %eax
  CHECK "byte access", %eax, $0x12
  /* The power management ports, and the timer behind them: 3.579545 MHz. */
  PCI_ADDRESS 1, 3, 0x40
  movl $0xB001, %eax
  outl %eax, %dx
  inl %dx, %eax
  CHECK "power management base", %eax, $0xB001
  PCI_ADDRESS 1, 3, 0x80
  inl %dx, %eax
  orl $1, %eax
  outl %eax, %dx
  movw $0xB008, %dx
  inl %dx, %eax
  movl %eax, %esi
  movl $100000, %ecx
1:
  inl %dx, %eax
  cmpl %eax, %esi
  loope 1b
  setne %bl
  movzbl %bl, %ebx
  CHECK "power management timer counts", %ebx, $1

/* The VGA. */
  OUT8 0x3C2, 0x67
  INDEXED_OUT 0x3D4, 0x0E, 0x01
  INDEXED_OUT 0x3D4, 0x0F, 0x23
  INDEXED_IN 0x3D4, 0x0E
  READS "CRTC cursor address", 0xFF, 0x01
  INDEXED_IN 0x3D4, 0x0F
  READS "CRTC cursor address, low", 0xFF, 0x23
  IN8 0x3CC
  READS "miscellaneous output reads back", 0xFF, 0x67
  INDEXED_OUT 0x3C4, 2, 0x03
  INDEXED_IN 0x3C4, 2
  READS "sequencer map mask", 0x0F, 0x03
  INDEXED_OUT 0x3C4, 4, 0x02
  INDEXED_OUT 0x3CE, 5, 0x10
  INDEXED_OUT 0x3CE, 6, 0x0E
  INDEXED_OUT 0x3CE, 8, 0xFF
  INDEXED_OUT 0x3CE, 0, 0
  INDEXED_OUT 0x3CE, 1, 0
  INDEXED_OUT 0x3CE, 3, 0
  movw $0x1F41, 0xB8000
  movl $0x1F421F43, 0xB8F00
  movzwl 0xB8000, %ebx
  CHECK "text memory", %ebx, $0x1F41
  CHECK "text memory, dword", 0xB8F00, $0x1F421F43
  IN8 0x3DA
  OUT8 0x3C0, 0x05
  OUT8 0x3C0, 0x2A
  IN8 0x3DA
  OUT8 0x3C0, 0x05
  IN8 0x3C1
  movl %ebx, %esi
  IN8 0x3DA
  OUT8 0x3C0, 0x20
  CHECK "palette register", %esi, $0x2A
  OUT8 0x3C8, 0x10
  OUT8 0x3C9, 0x01
  OUT8 0x3C9, 0x22
  OUT8 0x3C9, 0x3F
  OUT8 0x3C7, 0x10
  IN8 0x3C9
  READS "DAC red", 0xFF, 0x01
  IN8 0x3C9
  READS "DAC green", 0xFF, 0x22
  IN8 0x3C9
  READS "DAC blue", 0xFF, 0x3F
  /* Planes: map mask, read map select, the latches and the write modes. */
  INDEXED_OUT 0x3C4, 4, 0x06
  INDEXED_OUT 0x3CE, 5, 0x00
  INDEXED_OUT 0x3CE, 6, 0x05
  INDEXED_OUT 0x3C4, 2, 0x0F
  movb $0x00, 0xA0000
  INDEXED_OUT 0x3C4, 2, 0x05
  movb $0xC3, 0xA0000
  INDEXED_OUT 0x3CE, 4, 0
  movzbl 0xA0000, %ebx
  READS "plane 0 is written", 0xFF, 0xC3
  INDEXED_OUT 0x3CE, 4, 1
  movzbl 0xA0000, %ebx
  READS "plane 1 is not", 0xFF, 0
  INDEXED_OUT 0x3CE, 4, 2
  movzbl 0xA0000, %ebx
  READS "plane 2 is written", 0xFF, 0xC3
  /* Write mode 1 copies the latches. */
  INDEXED_OUT 0x3C4, 2, 0x0F
  INDEXED_OUT 0x3CE, 5, 0x01
  movb 0xA0000, %al
  movb %al, 0xA0001
  INDEXED_OUT 0x3CE, 5, 0x00
  movzbl 0xA0001, %ebx
  READS "write mode 1", 0xFF, 0xC3
  /* Write mode 2 writes a colour through the bit mask. */
  INDEXED_OUT 0x3CE, 5, 0x02
  INDEXED_OUT 0x3CE, 8, 0x0F
  movb 0xA0001, %al
  movb $0x02, 0xA0001
  INDEXED_OUT 0x3CE, 5, 0x00
  INDEXED_OUT 0x3CE, 8, 0xFF
  INDEXED_OUT 0x3CE, 4, 0
  movzbl 0xA0001, %ebx
  READS "write mode 2: plane 0", 0xFF, 0xC0
  INDEXED_OUT 0x3CE, 4, 1
  movzbl 0xA0001, %ebx
  READS "write mode 2: plane 1", 0xFF, 0x0F
  /* Set/reset and the logical operation. */
  INDEXED_OUT 0x3CE, 0, 0x0F
  INDEXED_OUT 0x3CE, 1, 0x0F
  INDEXED_OUT 0x3CE, 3, 0x18
  movb 0xA0001, %al
  movb $0x00, 0xA0001
  INDEXED_OUT 0x3CE, 0, 0
  INDEXED_OUT 0x3CE, 1, 0
  INDEXED_OUT 0x3CE, 3, 0
  movzbl 0xA0001, %ebx
  READS "set/reset with XOR: plane 1", 0xFF, 0xF0
  /* Read mode 1 compares colours. */
  INDEXED_OUT 0x3C4, 2, 0x0F
  movb $0, 0xA0002
  INDEXED_OUT 0x3C4, 2, 0x02
  movb $0x81, 0xA0002
  INDEXED_OUT 0x3CE, 5, 0x08
  INDEXED_OUT 0x3CE, 2, 0x02
  INDEXED_OUT 0x3CE, 7, 0x0F
  movzbl 0xA0002, %ebx
  INDEXED_OUT 0x3CE, 5, 0x00
  READS "read mode 1", 0xFF, 0x81
  /* Chained: byte n is in plane n & 3. */
  INDEXED_OUT 0x3C4, 2, 0x0F
  INDEXED_OUT 0x3C4, 4, 0x0E
  INDEXED_OUT 0x3CE, 5, 0x40
  movl $0x44332211, 0xA0100
  movl 0xA0100, %esi
  INDEXED_OUT 0x3C4, 4, 0x06
  INDEXED_OUT 0x3CE, 5, 0x00
  INDEXED_OUT 0x3CE, 4, 2
  CHECK "chained dword", %esi, $0x44332211
  movzbl 0xA0100, %ebx
  READS "its third byte is in plane 2", 0xFF, 0x33
FINISH

/* Waits until the controller takes a byte. */
controller_ready:
  pushl %ecx
  movl $100000, %ecx
1:
  inb $0x64, %al
  testb $2, %al
  loopnz 1b
  popl %ecx
  ret

controller_answer:
  pushl %ecx
  movl $2000000, %ecx
1:
  inb $0x64, %al
  testb $1, %al
  loopz 1b
  movl $0x100, %ebx
  jz 2f
  inb $0x60, %al
  movzbl %al, %ebx
2:
  popl %ecx
  ret

controller_drain:
  pushl %ecx
  movl $10000, %ecx
1:
  inb $0x64, %al
  testb $1, %al
  jz 2f
  inb $0x60, %al
2:
  loop 1b
  popl %ecx
  ret

serial_idle:
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $0x40, %al
  jz 1b
  ret

serial_received:
  movl $1000000, %ecx
  movw $0x3FD, %dx
1:
  inb %dx, %al
  testb $1, %al
  loopz 1b
  ret
