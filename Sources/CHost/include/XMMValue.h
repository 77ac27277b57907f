/// Access to the MMX and XMM registers in `FPUState`.
#ifndef SWITCHBACK_XMMVALUE_H
#define SWITCHBACK_XMMVALUE_H

#include <stdint.h>
#include <string.h>
#include "FPUState.h"

/// The 128 bits of an XMM register: element 0 is bits 63:0.
typedef uint64_t XMMValue __attribute__((ext_vector_type(2)));

static inline XMMValue xmmValue(const FPUState *_Nonnull f, uint32_t n) {
  XMMValue value;
  memcpy(&value, f->xmm[n & 7], 16);
  return value;
}

static inline void xmmSetValue(FPUState *_Nonnull f, uint32_t n, XMMValue value) {
  memcpy(f->xmm[n & 7], &value, 16);
}

static inline uint64_t xmmLow(const FPUState *_Nonnull f, uint32_t n) {
  uint64_t value;
  memcpy(&value, f->xmm[n & 7], 8);
  return value;
}

static inline void xmmSetLow(FPUState *_Nonnull f, uint32_t n, uint64_t value) {
  memcpy(f->xmm[n & 7], &value, 8);
}

static inline uint64_t xmmHigh(const FPUState *_Nonnull f, uint32_t n) {
  uint64_t value;
  memcpy(&value, f->xmm[n & 7] + 8, 8);
  return value;
}

static inline void xmmSetHigh(FPUState *_Nonnull f, uint32_t n, uint64_t value) {
  memcpy(f->xmm[n & 7] + 8, &value, 8);
}

static inline uint32_t xmmLow32(const FPUState *_Nonnull f, uint32_t n) {
  uint32_t value;
  memcpy(&value, f->xmm[n & 7], 4);
  return value;
}

static inline void xmmSetLow32(FPUState *_Nonnull f, uint32_t n, uint32_t value) {
  memcpy(f->xmm[n & 7], &value, 4);
}

static inline uint64_t mmxValue(const FPUState *_Nonnull f, uint32_t n) {
  uint64_t value;
  memcpy(&value, f->registers[n & 7], 8);
  return value;
}

/// Writes MMn; bits 79:64 become ones. SDM vol. 1, 9.5.2.
static inline void mmxSetValue(FPUState *_Nonnull f, uint32_t n, uint64_t value) {
  memcpy(f->registers[n & 7], &value, 8);
  uint16_t ones = 0xFFFF;
  memcpy(f->registers[n & 7] + 8, &ones, 2);
}

#endif
