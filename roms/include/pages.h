/* Paging for the tests: identity for the first 4 MiB, test pages in the second. */
#define DIRECTORY 0x30000
#define TABLE0 0x31000
#define TABLE1 0x32000
#define POINTERS 0x33000
#define PAE_DIRECTORY 0x34000
#define PAE_TABLE0 0x35000
#define PAE_TABLE1 0x36000

/* The test pages: linear page n of the second 4 MiB and the memory it is mapped to. */
#define L(n) (0x400000 + 0x1000 * (n))
#define M(n) (0x200000 + 0x1000 * (n))
#define ENTRY(n) (TABLE1 + 4 * (n))

#define P 1
#define W 2
#define U 4
#define A 0x20
#define D 0x40
#define PS 0x80
#define G 0x100

/* Maps test page n with these attributes and forgets what the TLB knows of it. */
.macro MAP n, attributes
  movl $(M(\n) | (\attributes)), ENTRY(\n)
  invlpg L(\n)
.endm
.macro BITS name, n, want
  CHECK_BITS "\name", ENTRY(\n), 0xFFF, \want
.endm
/* A page fault with this error code and CR2. */
.macro PAGE_FAULT name, error, address, code:vararg
  FAULTS "\name", 14, \error, \code
  CHECK "\name: CR2", trap_cr2, $(\address)
.endm
.macro PAGE_FAULT3 name, error, address, code:vararg
  FAULTS3 "\name", 14, \error, \code
  CHECK "\name: CR2", trap_cr2, $(\address)
.endm
.macro SET_CR0 bits
  movl %cr0, %eax
  orl $(\bits), %eax
  movl %eax, %cr0
.endm
.macro CLEAR_CR0 bits
  movl %cr0, %eax
  andl $~(\bits), %eax
  movl %eax, %cr0
.endm
.macro SET_CR4 bits
  movl %cr4, %eax
  orl $(\bits), %eax
  movl %eax, %cr4
.endm
.macro CLEAR_CR4 bits
  movl %cr4, %eax
  andl $~(\bits), %eax
  movl %eax, %cr4
.endm
#define PG 0x80000000
#define WP 0x00010000
#define PSE 0x10
#define PAE 0x20
#define PGE 0x80

/* No test page is mapped yet; each dword of their memory holds its own address. */
.macro PAGING_ON
  cld
  movl $DIRECTORY, %edi
  xorl %eax, %eax
  movl $0x400, %ecx
  rep stosl
  movl $(P + W + U), %eax
  movl $0x400, %ecx
.Lpages1\@:
  stosl
  addl $0x1000, %eax
  loop .Lpages1\@
  xorl %eax, %eax
  movl $0x400, %ecx
  rep stosl
  movl $M(0), %edi
  movl $0x8000, %ecx
.Lpages2\@:
  movl %edi, %eax
  stosl
  loop .Lpages2\@
  movl $(TABLE0 + P + W + U), DIRECTORY
  movl $(TABLE1 + P + W + U), DIRECTORY + 4
  movl $DIRECTORY, %eax
  movl %eax, %cr3
  SET_CR0 PG
.endm
