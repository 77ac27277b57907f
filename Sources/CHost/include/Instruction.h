/// A decoded instruction in the layout that the interpreter's handlers read.
#ifndef SWITCHBACK_INSTRUCTION_H
#define SWITCHBACK_INSTRUCTION_H

#include <stdint.h>

/// One explicit operand. `kind` is `OperandKind.rawValue`; `reg` is a register number of that kind;
/// `size` is the width in bytes (1, 2, 4, 6, 8, 10, 16; 0 where it has no meaning).
typedef struct Operand {
  uint8_t kind;
  uint8_t reg;
  uint8_t size;
  uint8_t reserved;
} Operand;

/// One decoded instruction, normalised: the operands are in Intel order (destination first), whatever
/// encoding they came from. `ISA` gives the raw fields their enumerations.
typedef struct Instruction {
  uint16_t operation;     ///< `Operation.rawValue`.
  uint16_t row;           ///< Index into `InstructionTable.rows`.
  uint8_t length;         ///< In bytes with prefixes, 1...15.
  uint8_t prefixes;       ///< `Prefixes` option set.
  uint8_t operandSize;    ///< Effective operand size in bytes: 2 or 4 (1 for byte forms).
  uint8_t addressSize;    ///< Effective address size in bytes: 2 or 4.
  Operand operands[3];    ///< Unused ones have kind `none`.
  uint8_t segment;        ///< Effective segment of the memory operand (`SegmentIndex.rawValue`).
  uint8_t base;           ///< Base register of the memory operand, 8 = none.
  uint8_t index;          ///< Index register of the memory operand, 8 = none.
  uint8_t scale;          ///< Shift count of the index, 0...3.
  uint8_t condition;      ///< Condition code 0...15 of Jcc, SETcc, CMOVcc, FCMOVcc, CMPPS predicates use `immediate`.
  uint8_t modrm;          ///< The ModRM byte, 0 where there is none.
  uint16_t selector;      ///< Selector of a direct far pointer; second immediate of ENTER; FOP of an x87 instruction.
  uint32_t displacement;  ///< Displacement of the memory operand, sign-extended; a moffs address.
  uint32_t immediate;     ///< Immediate sign-extended to 32 bits as the row says; branch displacement; far offset.
} Instruction;

#endif
