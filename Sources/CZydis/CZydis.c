#include "CZydis.h"

#if __has_include(<Zydis/Zydis.h>)
#include <Zydis/Zydis.h>
#include <string.h>

static int isBaseline(const ZydisDecodedInstruction *instruction) {
  switch (instruction->meta.isa_ext) {
    case ZYDIS_ISA_EXT_BASE:
      switch (instruction->meta.isa_set) {
        case ZYDIS_ISA_SET_AMD:
        case ZYDIS_ISA_SET_POPCNT:
          return 0;
        default:
          return 1;
      }
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_PAUSE:
    case ZYDIS_ISA_EXT_CLFSH:
      return 1;
    default:
      return 0;
  }
}

static uint8_t registerNumber(ZydisRegister value) {
  return value == ZYDIS_REGISTER_NONE ? 8 : (uint8_t)ZydisRegisterGetId(value);
}

static void viewRegister(ZydisRegister value, ZydisViewOperand *view) {
  view->reg = registerNumber(value);
  switch (ZydisRegisterGetClass(value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32: view->kind = ZYDIS_OPERAND_GENERAL; break;
    case ZYDIS_REGCLASS_SEGMENT: view->kind = ZYDIS_OPERAND_SEGMENT; break;
    case ZYDIS_REGCLASS_CONTROL: view->kind = ZYDIS_OPERAND_CONTROL; break;
    case ZYDIS_REGCLASS_DEBUG: view->kind = ZYDIS_OPERAND_DEBUG; break;
    case ZYDIS_REGCLASS_X87: view->kind = ZYDIS_OPERAND_X87; break;
    case ZYDIS_REGCLASS_MMX: view->kind = ZYDIS_OPERAND_MMX; break;
    case ZYDIS_REGCLASS_XMM: view->kind = ZYDIS_OPERAND_XMM; break;
    default: view->kind = ZYDIS_OPERAND_OTHER;
  }
}

static void viewOperand(const ZydisDecodedOperand *operand, ZydisViewOperand *view) {
  view->size = (uint16_t)(operand->size / 8);
  view->isRead = (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
  view->isWritten = (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  switch (operand->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: viewRegister(operand->reg.value, view); break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      view->kind = ZYDIS_OPERAND_MEMORY;
      view->segment = registerNumber(operand->mem.segment);
      view->base = registerNumber(operand->mem.base);
      view->index = registerNumber(operand->mem.index);
      view->scale = operand->mem.scale;
      if (operand->mem.disp.has_displacement)
        view->displacement = (uint32_t)operand->mem.disp.value;
      break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      view->kind = operand->imm.is_relative ? ZYDIS_OPERAND_RELATIVE : ZYDIS_OPERAND_IMMEDIATE;
      view->immediate = (uint32_t)operand->imm.value.u;
      break;
    case ZYDIS_OPERAND_TYPE_POINTER:
      view->kind = ZYDIS_OPERAND_FAR_POINTER;
      view->immediate = operand->ptr.offset;
      view->selector = operand->ptr.segment;
      break;
    default: view->kind = ZYDIS_OPERAND_OTHER;
  }
}

int zydisView(const uint8_t *bytes, size_t count, int codeSize, ZydisView *view) {
  memset(view, 0, sizeof *view);
  ZydisDecoder decoder;
  ZydisDecoderInit(
      &decoder,
      codeSize == 2 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32,
      codeSize == 2 ? ZYDIS_STACK_WIDTH_16 : ZYDIS_STACK_WIDTH_32);
  static const ZydisDecoderMode newer[] = {
      ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_LZCNT,
      ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE};
  for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
    ZydisDecoderEnableMode(&decoder, newer[i], ZYAN_FALSE);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  ZyanStatus status = ZydisDecoderDecodeFull(
      &decoder, bytes, count, &instruction, operands);
  if (!ZYAN_SUCCESS(status)) {
    view->status = status == ZYDIS_STATUS_NO_MORE_DATA           ? ZYDIS_VIEW_TRUNCATED
                   : status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? ZYDIS_VIEW_TOO_LONG
                                                                 : ZYDIS_VIEW_INVALID;
    return 1;
  }
  view->length = instruction.length;
  view->isBaseline = (uint8_t)isBaseline(&instruction);
  strncpy(view->mnemonic, ZydisMnemonicGetString(instruction.mnemonic), sizeof view->mnemonic - 1);
  strncpy(view->extension, ZydisISAExtGetString(instruction.meta.isa_ext),
          sizeof view->extension - 1);
  view->acceptsLock = (instruction.attributes & ZYDIS_ATTRIB_ACCEPTS_LOCK) != 0;
  view->isPrivileged = (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0;
  if (instruction.cpu_flags) {
    const ZydisAccessedFlags *flags = instruction.cpu_flags;
    view->flagsRead = flags->tested;
    view->flagsWritten = flags->modified | flags->set_0 | flags->set_1;
    view->flagsUndefined = flags->undefined;
  }
  for (size_t i = 0; i < instruction.operand_count && view->operandCount < 4; i++)
    if (operands[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
      viewOperand(&operands[i], &view->operands[view->operandCount++]);
  return 1;
}

#else

int zydisView(const uint8_t *bytes, size_t count, int codeSize, ZydisView *view) {
  (void)bytes, (void)count, (void)codeSize, (void)view;
  return 0;
}

#endif
