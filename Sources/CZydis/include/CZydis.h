/// A flat view of what the Zydis disassembler library makes of some bytes, for the decoder's tests.
#ifndef SWITCHBACK_CZYDIS_H
#define SWITCHBACK_CZYDIS_H

#include <stddef.h>
#include <stdint.h>

enum {
  ZYDIS_VIEW_INSTRUCTION = 0,
  ZYDIS_VIEW_INVALID = 1,
  ZYDIS_VIEW_TRUNCATED = 2,
  ZYDIS_VIEW_TOO_LONG = 3,
};

/// What an operand is, in the numbering of `OperandKind`; ZYDIS_OPERAND_OTHER is anything else.
enum {
  ZYDIS_OPERAND_NONE = 0,
  ZYDIS_OPERAND_GENERAL,
  ZYDIS_OPERAND_MEMORY,
  ZYDIS_OPERAND_IMMEDIATE,
  ZYDIS_OPERAND_RELATIVE,
  ZYDIS_OPERAND_FAR_POINTER,
  ZYDIS_OPERAND_SEGMENT,
  ZYDIS_OPERAND_CONTROL,
  ZYDIS_OPERAND_DEBUG,
  ZYDIS_OPERAND_X87,
  ZYDIS_OPERAND_MMX,
  ZYDIS_OPERAND_XMM,
  ZYDIS_OPERAND_OTHER = 255,
};

typedef struct ZydisViewOperand {
  uint8_t kind;
  uint8_t reg;    ///< Register number, where it is a register.
  uint16_t size;  ///< In bytes.
  uint8_t segment, base, index, scale;  ///< Memory: segment register, 8 = none; scale is the factor.
  uint32_t displacement;
  uint32_t immediate;  ///< Immediate, branch displacement or far offset.
  uint32_t selector;
  uint8_t isRead, isWritten;  ///< Conditional accesses included.
} ZydisViewOperand;

typedef struct ZydisView {
  uint8_t status;
  uint8_t length;
  uint8_t operandCount;     ///< Those that the assembler text shows.
  uint8_t isBaseline;       ///< Of an instruction set extension up to Pentium III and SSE2.
  uint8_t acceptsLock, isPrivileged;
  /// EFLAGS bits.
  uint32_t flagsRead, flagsWritten, flagsUndefined;
  ZydisViewOperand operands[4];
  char mnemonic[24];
  char extension[24];
} ZydisView;

/// Decodes the instruction at `bytes`; `codeSize` is 2 or 4. Newer meanings of PIII no-operations and
/// prefixes (TZCNT, MPX, CET...) are turned off. Returns 0 when built without Zydis, 1 otherwise.
int zydisView(const uint8_t *bytes, size_t count, int codeSize, ZydisView *view);

#endif
