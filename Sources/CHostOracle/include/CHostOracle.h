/// Runs short 32-bit instruction sequences on the host CPU. Test support, no part of the product.
///
/// A forked child executes each case in compatibility mode (CS 0x23 or a segment of its LDT) on pages at
/// fixed low addresses. A case ends at its first exception; the code page is filled up with INT3. Parent and
/// child share one memory object: the parent writes cases, the child writes outcomes.
#ifndef SWITCHBACK_HOST_ORACLE_H
#define SWITCHBACK_HOST_ORACLE_H

#include <stdint.h>

enum {
  ORACLE_PAGE = 4096,
  // Linear addresses of what a case sees; everything else below 4 GiB is unmapped.
  ORACLE_CODE = 0x10400000,       ///< One page, execute and read.
  ORACLE_DATA = 0x10500000,       ///< Two pages, read and write, not executable.
  ORACLE_READ_ONLY = 0x10503000,  ///< One page, read only; the page before it is unmapped.
  ORACLE_STACK = 0x10600000,      ///< One page, read and write.
  ORACLE_IMAGE_PAGES = 4,       ///< Data (2), read-only, stack: the order in `OracleCase`'s images.
  ORACLE_CODE_BYTES = 256,      ///< Most code bytes of a case.
  ORACLE_BATCH = 256,           ///< Most cases of a batch.
  ORACLE_PATCHES = 8,           ///< Most patches of a case.

  // Host selectors of the flat segments.
  ORACLE_FLAT_CODE = 0x23,
  ORACLE_FLAT_DATA = 0x2B,
  ORACLE_LDT_ENTRIES = 8,

  ORACLE_TIMED_OUT = -1,  ///< `OracleOutcome.signal`: the case did not end.
  ORACLE_CRASHED = -2,    ///< `OracleOutcome.signal`: the case destroyed the child.
};

/// One segment of the child's LDT. The kernel sets the accessed bit of each.
typedef struct OracleSegment {
  uint32_t base;
  uint32_t limit;     ///< In bytes, inclusive.
  uint8_t contents;   ///< 0 data, 1 expand-down data, 2 code (the kernel refuses conforming code).
  uint8_t is32;       ///< The D/B bit.
  uint8_t restricted; ///< Data: read-only. Code: execute-only.
  uint8_t present;
} OracleSegment;

/// The LDT, entry n has the selector n * 8 + 7.
extern const OracleSegment oracleSegments[ORACLE_LDT_ENTRIES];

/// The registers at the start or the end of a case.
typedef struct OracleRegisters {
  uint32_t gpr[8];
  uint32_t eip;  ///< Relative to the base of CS.
  uint32_t eflags;
  uint16_t selectors[6];  ///< ES CS SS DS FS GS.
  uint32_t reserved;
  uint8_t fxsave[512] __attribute__((aligned(16)));
} OracleRegisters;

/// Four bytes of the memory image that a case wants otherwise.
typedef struct OraclePatch {
  uint32_t offset;  ///< In the image.
  uint32_t value;
} OraclePatch;

typedef struct OracleCase {
  OracleRegisters registers;
  OraclePatch patches[ORACLE_PATCHES];
  uint32_t patchCount;
  uint32_t codeOffset;  ///< Where in the code page the code lies.
  uint32_t codeLength;
  uint8_t code[ORACLE_CODE_BYTES];
} OracleCase;

typedef struct OracleOutcome {
  OracleRegisters registers;
  int32_t signal;      ///< The host signal, or ORACLE_TIMED_OUT, ORACLE_CRASHED.
  uint32_t vector;     ///< Exception number.
  uint32_t errorCode;
  uint32_t faultAddress;  ///< CR2, meaningful for vector 14.
} OracleOutcome;

/// A running oracle.
typedef struct OracleProcess OracleProcess;

/// Starts the child. Returns null (and errno) when the host cannot do it.
OracleProcess *_Nullable oracleStart(void);
/// Ends the child and frees everything.
void oracleStop(OracleProcess *_Nonnull oracle);
/// The cases to be run, ORACLE_BATCH of them.
OracleCase *_Nonnull oracleCases(OracleProcess *_Nonnull oracle);
/// Their outcomes.
OracleOutcome *_Nonnull oracleOutcomes(OracleProcess *_Nonnull oracle);
/// The image pages after case `index`.
const uint8_t *_Nonnull oracleImage(OracleProcess *_Nonnull oracle, uint32_t index);
/// What the image pages contain before every case.
uint8_t *_Nonnull oracleInitialImage(OracleProcess *_Nonnull oracle);
/// Runs the first `count` cases. Returns 0, or -1 when the child could not be restarted.
int oracleRun(OracleProcess *_Nonnull oracle, uint32_t count);

#endif
