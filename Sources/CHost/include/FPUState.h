/// x87, MMX and SSE register state.
#ifndef SWITCHBACK_FPUSTATE_H
#define SWITCHBACK_FPUSTATE_H

#include <stdint.h>

/// The floating-point registers in physical order (R0...R7), not in stack order: MMn is R[n], ST(i)
/// is R[(TOP + i) & 7]. SDM vol. 1, chapters 8 to 11.
typedef struct FPUState {
  uint8_t registers[8][16];  ///< Bytes 0...9 hold the 80-bit value, the rest is zero.
  uint8_t xmm[8][16];
  // Compilers widen a 16-bit load at a multiple of four to 32 bits, which stalls after a narrower
  // store: so the fields that every instruction stores (status, opcode) are neither at such an
  // offset nor beside one that is loaded.
  uint16_t control;  ///< FCW.
  uint16_t reserved1;
  uint16_t reserved2;
  uint16_t status;  ///< FSW; TOP in bits 13:11.
  uint8_t reserved3;
  uint8_t tags;      ///< Abridged tag word as FXSAVE stores it: bit n set = R[n] not empty.
  uint16_t opcode;   ///< FOP, 11 bits.
  uint32_t instructionOffset;    ///< FIP.
  uint32_t operandOffset;        ///< FDP.
  uint16_t instructionSelector;  ///< FCS.
  uint16_t operandSelector;      ///< FDS.
  uint32_t mxcsr;
  /// Non-zero while the host x87 unit's exception flags are known to be a subset of `status`
  /// (X87Shims.h). Whoever clears exception flags in `status` or replaces it must set this to 0.
  uint64_t hostBinding;
} __attribute__((aligned(16))) FPUState;

#endif
