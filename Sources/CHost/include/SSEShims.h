/// SSE and SSE2 floating-point instructions executed by the host under the guest's MXCSR.
///
/// Each returns its result and the host's MXCSR afterwards: bits 5:0 are the flags that this
/// instruction raised. When it raised an unmasked exception, SIGFPE's handler (SSE.c) has skipped
/// it and masked all exceptions, so that bits 12:7 differ from the guest's; the result is
/// meaningless then.
#ifndef SWITCHBACK_SSESHIMS_H
#define SWITCHBACK_SSESHIMS_H

#include <emmintrin.h>
#include "XMMValue.h"

typedef struct SSEResult {
  XMMValue value;
  uint32_t mxcsr;
} SSEResult;

/// An integer or a comparison's EFLAGS bits (CF 0, PF 2, ZF 6).
typedef struct SSEScalarResult {
  uint32_t value;
  uint32_t mxcsr;
} SSEScalarResult;

enum {
  MXCSR_FLAGS = 0x3F,
  MXCSR_MASKS = 0x1F80,
  MXCSR_DEFAULT = 0x1F80,
  MXCSR_VALID = 0xFFFF,  ///< All bits of SSE2 with DAZ.
};

static const uint32_t sseHostControl = MXCSR_DEFAULT;

// The handler of SIGFPE relies on the form `instruction xmm, xmm; stmxcsr`.
#define SSE_ASM(BODY) "ldmxcsr %[c]\n\t" BODY "\n\tstmxcsr %[c]\n\tldmxcsr %[h]"

/// a = a op b, also for the scalar forms, which keep the upper part of `a`.
#define SSE_BINARY(NAME, INSTRUCTION)                                                              \
  static inline SSEResult NAME(uint32_t mxcsr, XMMValue a, XMMValue b) {                           \
    uint32_t control = mxcsr & (MXCSR_VALID & ~MXCSR_FLAGS);                                       \
    __asm__ volatile(SSE_ASM(INSTRUCTION " %[b], %[a]")                                            \
                     : [a] "+x"(a), [c] "+m"(control)                                              \
                     : [b] "x"(b), [h] "m"(sseHostControl));                                       \
    return (SSEResult){a, control};                                                                \
  }
SSE_BINARY(sseAddPSExact, "addps")
SSE_BINARY(sseAddSSExact, "addss")
SSE_BINARY(sseAddPDExact, "addpd")
SSE_BINARY(sseAddSDExact, "addsd")
SSE_BINARY(sseSubtractPSExact, "subps")
SSE_BINARY(sseSubtractSSExact, "subss")
SSE_BINARY(sseSubtractPDExact, "subpd")
SSE_BINARY(sseSubtractSDExact, "subsd")
SSE_BINARY(sseMultiplyPSExact, "mulps")
SSE_BINARY(sseMultiplySSExact, "mulss")
SSE_BINARY(sseMultiplyPDExact, "mulpd")
SSE_BINARY(sseMultiplySDExact, "mulsd")
SSE_BINARY(sseDividePSExact, "divps")
SSE_BINARY(sseDivideSSExact, "divss")
SSE_BINARY(sseDividePDExact, "divpd")
SSE_BINARY(sseDivideSDExact, "divsd")
SSE_BINARY(sseMaximumPS, "maxps")
SSE_BINARY(sseMaximumSS, "maxss")
SSE_BINARY(sseMaximumPD, "maxpd")
SSE_BINARY(sseMaximumSD, "maxsd")
SSE_BINARY(sseMinimumPS, "minps")
SSE_BINARY(sseMinimumSS, "minss")
SSE_BINARY(sseMinimumPD, "minpd")
SSE_BINARY(sseMinimumSD, "minsd")
// The packed ones ignore the old `a`; the scalar ones keep its upper part.
SSE_BINARY(sseSquareRootPSExact, "sqrtps")
SSE_BINARY(sseSquareRootSSExact, "sqrtss")
SSE_BINARY(sseSquareRootPDExact, "sqrtpd")
SSE_BINARY(sseSquareRootSDExact, "sqrtsd")
SSE_BINARY(sseReciprocalPS, "rcpps")
SSE_BINARY(sseReciprocalSS, "rcpss")
SSE_BINARY(sseReciprocalRootPS, "rsqrtps")
SSE_BINARY(sseReciprocalRootSS, "rsqrtss")
SSE_BINARY(sseDoublesToSingles, "cvtpd2ps")
SSE_BINARY(sseSinglesToDoubles, "cvtps2pd")
SSE_BINARY(sseDoubleToSingleExact, "cvtsd2ss")
SSE_BINARY(sseSingleToDoubleExact, "cvtss2sd")
SSE_BINARY(sseDoublesToInt32, "cvtpd2dq")
SSE_BINARY(sseDoublesToInt32Truncated, "cvttpd2dq")
SSE_BINARY(sseInt32ToDoubles, "cvtdq2pd")
SSE_BINARY(sseSinglesToInt32, "cvtps2dq")
SSE_BINARY(sseSinglesToInt32Truncated, "cvttps2dq")
SSE_BINARY(sseInt32ToSingles, "cvtdq2ps")

#define SSE_COMPARE(NAME, SUFFIX)                                                                  \
  SSE_BINARY(NAME##0, "cmpeq" SUFFIX)                                                              \
  SSE_BINARY(NAME##1, "cmplt" SUFFIX)                                                              \
  SSE_BINARY(NAME##2, "cmple" SUFFIX)                                                              \
  SSE_BINARY(NAME##3, "cmpunord" SUFFIX)                                                           \
  SSE_BINARY(NAME##4, "cmpneq" SUFFIX)                                                             \
  SSE_BINARY(NAME##5, "cmpnlt" SUFFIX)                                                             \
  SSE_BINARY(NAME##6, "cmpnle" SUFFIX)                                                             \
  SSE_BINARY(NAME##7, "cmpord" SUFFIX)                                                             \
  static inline SSEResult NAME(uint32_t mxcsr, XMMValue a, XMMValue b, uint32_t predicate) {       \
    switch (predicate & 7) {                                                                       \
      case 0: return NAME##0(mxcsr, a, b);                                                         \
      case 1: return NAME##1(mxcsr, a, b);                                                         \
      case 2: return NAME##2(mxcsr, a, b);                                                         \
      case 3: return NAME##3(mxcsr, a, b);                                                         \
      case 4: return NAME##4(mxcsr, a, b);                                                         \
      case 5: return NAME##5(mxcsr, a, b);                                                         \
      case 6: return NAME##6(mxcsr, a, b);                                                         \
      default: return NAME##7(mxcsr, a, b);                                                        \
    }                                                                                              \
  }
SSE_COMPARE(sseComparePS, "ps")
SSE_COMPARE(sseCompareSS, "ss")
SSE_COMPARE(sseComparePD, "pd")
SSE_COMPARE(sseCompareSD, "sd")

/// a's low element = the signed integer `b`.
#define SSE_FROM_INTEGER(NAME, INSTRUCTION)                                                        \
  static inline SSEResult NAME(uint32_t mxcsr, XMMValue a, uint32_t b) {                           \
    uint32_t control = mxcsr & (MXCSR_VALID & ~MXCSR_FLAGS);                                       \
    __asm__ volatile(SSE_ASM(INSTRUCTION " %[b], %[a]")                                            \
                     : [a] "+x"(a), [c] "+m"(control)                                              \
                     : [b] "r"(b), [h] "m"(sseHostControl));                                       \
    return (SSEResult){a, control};                                                                \
  }
SSE_FROM_INTEGER(sseInt32ToSingle, "cvtsi2ssl")

#define SSE_TO_INTEGER(NAME, INSTRUCTION)                                                          \
  static inline SSEScalarResult NAME(uint32_t mxcsr, XMMValue a) {                                 \
    uint32_t control = mxcsr & (MXCSR_VALID & ~MXCSR_FLAGS);                                       \
    uint32_t value = 0;                                                                            \
    __asm__ volatile(SSE_ASM(INSTRUCTION " %[a], %[v]")                                            \
                     : [v] "+r"(value), [c] "+m"(control)                                          \
                     : [a] "x"(a), [h] "m"(sseHostControl));                                       \
    return (SSEScalarResult){value, control};                                                      \
  }
SSE_TO_INTEGER(sseSingleToInt32, "cvtss2sil")
SSE_TO_INTEGER(sseSingleToInt32TruncatedExact, "cvttss2sil")
SSE_TO_INTEGER(sseDoubleToInt32, "cvtsd2sil")
SSE_TO_INTEGER(sseDoubleToInt32TruncatedExact, "cvttsd2sil")

#define SSE_COMPARE_FLAGS(NAME, INSTRUCTION)                                                       \
  static inline SSEScalarResult NAME(uint32_t mxcsr, XMMValue a, XMMValue b) {                     \
    uint32_t control = mxcsr & (MXCSR_VALID & ~MXCSR_FLAGS);                                       \
    uint8_t zero, parity, carry;                                                                   \
    __asm__ volatile(SSE_ASM(INSTRUCTION " %[b], %[a]")                                            \
                     : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry), [c] "+m"(control)           \
                     : [a] "x"(a), [b] "x"(b), [h] "m"(sseHostControl));                           \
    uint32_t flags = (uint32_t)zero << 6 | (uint32_t)parity << 2 | carry;                          \
    return (SSEScalarResult){flags, control};                                                      \
  }
SSE_COMPARE_FLAGS(sseCompareSSFlagsExact, "comiss")
SSE_COMPARE_FLAGS(sseCompareSSFlagsUnorderedExact, "ucomiss")
SSE_COMPARE_FLAGS(sseCompareSDFlagsExact, "comisd")
SSE_COMPARE_FLAGS(sseCompareSDFlagsUnorderedExact, "ucomisd")

/// CVTSI2SD is exact and raises nothing.
static inline SSEResult sseInt32ToDouble(uint32_t mxcsr, XMMValue a, uint32_t b) {
  return (SSEResult){(XMMValue)_mm_cvtsi32_sd((__m128d)a, (int32_t)b), mxcsr};
}

#undef SSE_ASM
#undef SSE_BINARY
#undef SSE_COMPARE
#undef SSE_FROM_INTEGER
#undef SSE_TO_INTEGER
#undef SSE_COMPARE_FLAGS

#include "SSEFastPaths.h"

#endif
