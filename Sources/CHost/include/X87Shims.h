/// x87 instructions executed by the host's x87 unit on values that live in `FPUState`.
///
/// Every function needs its source registers to be non-empty and works as if all exceptions were
/// masked; precision and rounding come from the guest's control word. The host's x87 stack is empty
/// and its control word is the default before and after. Register numbers are physical (R0...R7).
///
/// The host's exception flags are not cleared after each instruction (FNCLEX costs more than the
/// arithmetic). They are allowed to stay set as long as they are a subset of the guest's sticky
/// flags: an FPUState is *attached* to the host thread while that holds.
#ifndef SWITCHBACK_X87SHIMS_H
#define SWITCHBACK_X87SHIMS_H

#include <stdbool.h>
#include <stdint.h>
#include "FPUState.h"

/// An 80-bit extended-precision value. SDM vol. 1, 4.2.2.
typedef struct __attribute__((packed, may_alias)) X87Value {
  uint64_t significand;
  uint16_t signExponent;
} X87Value;

/// What a store converted, and the host's status word after it.
typedef struct X87Stored {
  uint64_t value;
  uint16_t high;  ///< Bits 79:64 of a packed decimal.
  uint16_t status;
} X87Stored;

/// Which state the host thread's sticky exception flags belong to.
typedef struct X87HostOwner {
  const FPUState *_Nullable state;
  uint64_t binding;
} X87HostOwner;

extern _Thread_local X87HostOwner x87HostOwner __attribute__((tls_model("initial-exec")));

/// Clears the host's exception flags and notes that they belong to `f` from now on.
void x87Attach(FPUState *_Nonnull f);

/// Executes the one x87 instruction `opcode` (0xD8...0xDF) `modrm` with the whole state of `f` in
/// the host's unit, exceptions unmasked as the guest wants. `operand` stands for a memory operand
/// of up to 10 bytes. `flags` are the guest's arithmetic flags for FCMOVcc; returns them afterwards
/// (FCOMI). Needs the exception summary in `f->status` to be clear.
uint32_t x87ExecuteWhole(
    FPUState *_Nonnull f, uint32_t opcode, uint32_t modrm, X87Value *_Nonnull operand,
    uint32_t flags);

enum {
  X87_EXCEPTIONS = 0x3F,
  X87_STACK_FAULT = 0x40,
  X87_SUMMARY = 0x80,
  X87_C0 = 0x100,
  X87_C1 = 0x200,
  X87_C2 = 0x400,
  X87_C3 = 0x4000,
  X87_CONDITIONS = 0x4700,
  X87_DEFAULT_CONTROL = 0x37F,
};

#define X87_R(f, n) (*(X87Value *)(f)->registers[(n) & 7])

static inline X87Value x87Value(const FPUState *_Nonnull f, uint32_t n) { return X87_R(f, n); }

static inline void x87SetValue(
    FPUState *_Nonnull f, uint32_t n, uint64_t significand, uint16_t signExponent) {
  X87_R(f, n).significand = significand;
  X87_R(f, n).signExponent = signExponent;
}

static inline void x87Copy(FPUState *_Nonnull f, uint32_t destination, uint32_t source) {
  X87Value value = X87_R(f, source);
  X87_R(f, destination) = value;
}

static inline void x87Exchange(FPUState *_Nonnull f, uint32_t a, uint32_t b) {
  X87Value x = X87_R(f, a), y = X87_R(f, b);
  X87_R(f, a) = y;
  X87_R(f, b) = x;
}

static inline bool x87HasDefaultRounding(const FPUState *_Nonnull f) {
  return __builtin_expect((f->control & 0xF00) == 0x300, 1);
}

static inline void x87Begin(FPUState *_Nonnull f) {
  if (__builtin_expect(x87HostOwner.state != f || x87HostOwner.binding != f->hostBinding, 0))
    x87Attach(f);
  if (!x87HasDefaultRounding(f)) {
    uint16_t control = f->control | X87_EXCEPTIONS;
    __asm__ volatile("fldcw %0" : : "m"(control));
  }
}

static inline void x87RestoreControl(const FPUState *_Nonnull f) {
  if (!x87HasDefaultRounding(f)) {
    uint16_t control = X87_DEFAULT_CONTROL;
    __asm__ volatile("fldcw %0" : : "m"(control));
  }
}

/// Merges the sticky flags and the condition codes in `conditions` of a host status word.
static inline void x87Merge(FPUState *_Nonnull f, uint16_t status, uint16_t conditions) {
  f->status = (uint16_t)((f->status & ~conditions) | (status & (conditions | X87_EXCEPTIONS)));
}

static inline void x87End(FPUState *_Nonnull f, uint16_t status, uint16_t conditions) {
  x87RestoreControl(f);
  x87Merge(f, status, conditions);
}

// MARK: Arithmetic on two registers: destination = a op b. The opcode bytes avoid AT&T's exchange of
// FSUBP and FSUBRP.
#define X87_BINARY(NAME, BYTES)                                                                    \
  static inline void NAME(FPUState *_Nonnull f, uint32_t destination, uint32_t a, uint32_t b) {    \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[a]\n\tfldt %[b]\n\t.byte " BYTES "\n\tfnstsw %%ax\n\tfstpt %[d]"      \
                     : [d] "=m"(X87_R(f, destination)), "=&a"(status)                               \
                     : [a] "m"(X87_R(f, a)), [b] "m"(X87_R(f, b)));                                \
    x87End(f, status, X87_C1);                                                                     \
  }
X87_BINARY(x87Add, "0xde,0xc1")
X87_BINARY(x87Multiply, "0xde,0xc9")
X87_BINARY(x87Subtract, "0xde,0xe9")
X87_BINARY(x87Divide, "0xde,0xf9")
X87_BINARY(x87Arctangent, "0xd9,0xf3")
X87_BINARY(x87YLog2X, "0xd9,0xf1")
X87_BINARY(x87YLog2XPlus1, "0xd9,0xf9")

// MARK: Arithmetic with a memory operand: destination = destination op operand.
#define X87_MEMORY(NAME, TYPE, INSTRUCTION)                                                        \
  static inline void NAME(FPUState *_Nonnull f, uint32_t destination, TYPE operand) {              \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[d]\n\t" INSTRUCTION " %[b]\n\tfnstsw %%ax\n\tfstpt %[d]"              \
                     : [d] "+m"(X87_R(f, destination)), "=&a"(status)                               \
                     : [b] "m"(operand));                                                          \
    x87End(f, status, X87_C1);                                                                     \
  }
#define X87_MEMORY_FORMS(NAME, STEM)                                                               \
  X87_MEMORY(NAME##Single, uint32_t, "f" STEM "s")                                                 \
  X87_MEMORY(NAME##Double, uint64_t, "f" STEM "l")                                                 \
  X87_MEMORY(NAME##Int16, uint16_t, "fi" STEM "s")                                                 \
  X87_MEMORY(NAME##Int32, uint32_t, "fi" STEM "l")
X87_MEMORY_FORMS(x87Add, "add")
X87_MEMORY_FORMS(x87Multiply, "mul")
X87_MEMORY_FORMS(x87Subtract, "sub")
X87_MEMORY_FORMS(x87SubtractReversed, "subr")
X87_MEMORY_FORMS(x87Divide, "div")
X87_MEMORY_FORMS(x87DivideReversed, "divr")

// MARK: Operations on one register.
#define X87_UNARY(NAME, INSTRUCTION, CONDITIONS)                                                   \
  static inline void NAME(FPUState *_Nonnull f, uint32_t n) {                                      \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[n]\n\t" INSTRUCTION "\n\tfnstsw %%ax\n\tfstpt %[n]"                   \
                     : [n] "+m"(X87_R(f, n)), "=&a"(status));                                      \
    x87End(f, status, CONDITIONS);                                                                 \
  }
X87_UNARY(x87SquareRoot, "fsqrt", X87_C1)
X87_UNARY(x87RoundToInteger, "frndint", X87_C1)
X87_UNARY(x87TwoToXMinus1, "f2xm1", X87_C1)
X87_UNARY(x87Sine, "fsin", X87_C1 | X87_C2)
X87_UNARY(x87Cosine, "fcos", X87_C1 | X87_C2)
X87_UNARY(x87Test, "ftst", X87_CONDITIONS)
X87_UNARY(x87Examine, "fxam", X87_CONDITIONS)

// MARK: ST(0) = f(ST(0), ST(1)) where ST(1) stays.
#define X87_WITH_SECOND(NAME, INSTRUCTION, CONDITIONS)                                             \
  static inline void NAME(FPUState *_Nonnull f, uint32_t destination, uint32_t second) {           \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[s]\n\tfldt %[d]\n\t" INSTRUCTION                                      \
                     "\n\tfnstsw %%ax\n\tfstpt %[d]\n\tfstp %%st(0)"                               \
                     : [d] "+m"(X87_R(f, destination)), "=&a"(status)                               \
                     : [s] "m"(X87_R(f, second)));                                                 \
    x87End(f, status, CONDITIONS);                                                                 \
  }
X87_WITH_SECOND(x87Scale, "fscale", X87_C1)
X87_WITH_SECOND(x87Remainder, "fprem", X87_CONDITIONS)
X87_WITH_SECOND(x87RemainderIEEE, "fprem1", X87_CONDITIONS)

// MARK: Comparisons.
#define X87_COMPARE(NAME, INSTRUCTION)                                                             \
  static inline void NAME(FPUState *_Nonnull f, uint32_t a, uint32_t b) {                          \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[b]\n\tfldt %[a]\n\t" INSTRUCTION "\n\tfnstsw %%ax"                    \
                     : "=&a"(status)                                                                \
                     : [a] "m"(X87_R(f, a)), [b] "m"(X87_R(f, b)));                                \
    x87End(f, status, X87_CONDITIONS);                                                             \
  }
X87_COMPARE(x87Compare, "fcompp")
X87_COMPARE(x87CompareUnordered, "fucompp")

#define X87_COMPARE_MEMORY(NAME, TYPE, INSTRUCTION)                                                \
  static inline void NAME(FPUState *_Nonnull f, uint32_t a, TYPE operand) {                        \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[a]\n\t" INSTRUCTION " %[b]\n\tfnstsw %%ax"                            \
                     : "=&a"(status)                                                                \
                     : [a] "m"(X87_R(f, a)), [b] "m"(operand));                                    \
    x87End(f, status, X87_CONDITIONS);                                                             \
  }
X87_COMPARE_MEMORY(x87CompareSingle, uint32_t, "fcomps")
X87_COMPARE_MEMORY(x87CompareDouble, uint64_t, "fcompl")
X87_COMPARE_MEMORY(x87CompareInt16, uint16_t, "ficomps")
X87_COMPARE_MEMORY(x87CompareInt32, uint32_t, "ficompl")

/// FCOMI and FUCOMI: returns CF in bit 0, PF in bit 2 and ZF in bit 6, as EFLAGS has them.
#define X87_COMPARE_FLAGS(NAME, INSTRUCTION)                                                       \
  static inline uint32_t NAME(FPUState *_Nonnull f, uint32_t a, uint32_t b) {                      \
    uint16_t status;                                                                               \
    uint8_t zero, parity, carry;                                                                   \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[b]\n\tfldt %[a]\n\t" INSTRUCTION                                      \
                     " %%st(1), %%st\n\tfnstsw %%ax\n\tfstp %%st(0)"                               \
                     : "=&a"(status), "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry)               \
                     : [a] "m"(X87_R(f, a)), [b] "m"(X87_R(f, b)));                                \
    x87End(f, status, 0);                                                                          \
    return (uint32_t)zero << 6 | (uint32_t)parity << 2 | carry;                                    \
  }
X87_COMPARE_FLAGS(x87CompareFlags, "fcomip")
X87_COMPARE_FLAGS(x87CompareFlagsUnordered, "fucomip")

// MARK: Loads.
static inline void x87LoadSingle(FPUState *_Nonnull f, uint32_t n, uint32_t operand) {
  uint32_t exponent = operand >> 23 & 0xFF;
  if (__builtin_expect(exponent - 1 < 0xFE || operand << 1 == 0, 1)) {  // Raises nothing.
    __asm__ volatile("flds %1\n\tfstpt %0" : "=m"(X87_R(f, n)) : "m"(operand));
    f->status &= ~X87_C1;
    return;
  }
  uint16_t status;
  x87Begin(f);
  __asm__ volatile("flds %[o]\n\tfnstsw %%ax\n\tfstpt %[n]"
                   : [n] "=m"(X87_R(f, n)), "=&a"(status)
                   : [o] "m"(operand));
  x87End(f, status, X87_C1);
}

static inline void x87LoadDouble(FPUState *_Nonnull f, uint32_t n, uint64_t operand) {
  uint64_t exponent = operand >> 52 & 0x7FF;
  if (__builtin_expect(exponent - 1 < 0x7FE || operand << 1 == 0, 1)) {
    __asm__ volatile("fldl %1\n\tfstpt %0" : "=m"(X87_R(f, n)) : "m"(operand));
    f->status &= ~X87_C1;
    return;
  }
  uint16_t status;
  x87Begin(f);
  __asm__ volatile("fldl %[o]\n\tfnstsw %%ax\n\tfstpt %[n]"
                   : [n] "=m"(X87_R(f, n)), "=&a"(status)
                   : [o] "m"(operand));
  x87End(f, status, X87_C1);
}

#define X87_LOAD_EXACT(NAME, TYPE, INSTRUCTION)                                                    \
  static inline void NAME(FPUState *_Nonnull f, uint32_t n, TYPE operand) {                        \
    __asm__ volatile(INSTRUCTION " %1\n\tfstpt %0" : "=m"(X87_R(f, n)) : "m"(operand));            \
    f->status &= ~X87_C1;                                                                          \
  }
X87_LOAD_EXACT(x87LoadInt16, uint16_t, "filds")
X87_LOAD_EXACT(x87LoadInt32, uint32_t, "fildl")
X87_LOAD_EXACT(x87LoadInt64, uint64_t, "fildll")
X87_LOAD_EXACT(x87LoadDecimal, X87Value, "fbld")

#define X87_CONSTANT(NAME, INSTRUCTION)                                                            \
  static inline void NAME(FPUState *_Nonnull f, uint32_t n) {                                      \
    x87Begin(f);                                                                                   \
    __asm__ volatile(INSTRUCTION "\n\tfstpt %0" : "=m"(X87_R(f, n)));                              \
    x87RestoreControl(f);                                                                          \
    f->status &= ~X87_C1;                                                                          \
  }
X87_CONSTANT(x87One, "fld1")
X87_CONSTANT(x87Log2Of10, "fldl2t")
X87_CONSTANT(x87Log2OfE, "fldl2e")
X87_CONSTANT(x87Pi, "fldpi")
X87_CONSTANT(x87Log10Of2, "fldlg2")
X87_CONSTANT(x87LnOf2, "fldln2")
X87_CONSTANT(x87Zero, "fldz")

// MARK: Stores. The caller writes the value to memory, which may fault, and then merges the status with
// `x87Merge(f, stored.status, X87_C1)`. If it does fault the host's flags may exceed the guest's,
// so `hostBinding` must be cleared: `x87StoreFailed`.
#define X87_STORE(NAME, TYPE, INSTRUCTION)                                                         \
  static inline X87Stored NAME(FPUState *_Nonnull f, uint32_t n) {                                 \
    TYPE value;                                                                                    \
    uint16_t status;                                                                               \
    x87Begin(f);                                                                                   \
    __asm__ volatile("fldt %[n]\n\t" INSTRUCTION " %[v]\n\tfnstsw %%ax"                            \
                     : [v] "=m"(value), "=&a"(status)                                               \
                     : [n] "m"(X87_R(f, n)));                                                      \
    x87RestoreControl(f);                                                                          \
    return (X87Stored){value, 0, status};                                                          \
  }
X87_STORE(x87StoreSingle, uint32_t, "fstps")
X87_STORE(x87StoreDouble, uint64_t, "fstpl")
X87_STORE(x87StoreInt16, uint16_t, "fistps")
X87_STORE(x87StoreInt32, uint32_t, "fistpl")
X87_STORE(x87StoreInt64, uint64_t, "fistpll")

static inline X87Stored x87StoreDecimal(FPUState *_Nonnull f, uint32_t n) {
  X87Value value;
  uint16_t status;
  x87Begin(f);
  __asm__ volatile("fldt %[n]\n\tfbstp %[v]\n\tfnstsw %%ax"
                   : [v] "=m"(value), "=&a"(status)
                   : [n] "m"(X87_R(f, n)));
  x87RestoreControl(f);
  return (X87Stored){value.significand, value.signExponent, status};
}

/// The two's complement tag of R[n] as the full tag word has it, were the register not empty:
/// 0 valid, 1 zero, 2 special. SDM vol. 1, 8.1.7.
static inline uint32_t x87TagOf(const FPUState *_Nonnull f, uint32_t n) {
  X87Value value = X87_R(f, n);
  uint32_t exponent = value.signExponent & 0x7FFF;
  if (exponent == 0) return value.significand == 0 ? 1 : 2;
  return exponent == 0x7FFF || value.significand >> 63 == 0 ? 2 : 0;
}

#undef X87_BINARY
#undef X87_MEMORY
#undef X87_MEMORY_FORMS
#undef X87_UNARY
#undef X87_WITH_SECOND
#undef X87_COMPARE
#undef X87_COMPARE_MEMORY
#undef X87_COMPARE_FLAGS
#undef X87_LOAD_EXACT
#undef X87_CONSTANT
#undef X87_STORE

#endif
