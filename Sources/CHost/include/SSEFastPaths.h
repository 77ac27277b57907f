/// The common case of the SSE shims without touching the host's MXCSR, whose loads and stores cost
/// more than the arithmetic: the guest's control bits are the default, its inexact flag is set
/// already, no operand is zero or denormal and the result is far enough from underflow and
/// overflow. Then the instruction raises nothing new. Everything else goes to the exact shims. Part
/// of SSEShims.h.
#ifndef SWITCHBACK_SSEFASTPATHS_H
#define SWITCHBACK_SSEFASTPATHS_H

#include "SSEShims.h"

static inline int sseLikely(int condition) { return (int)__builtin_expect(condition, 1); }

/// All exceptions masked, round to nearest, neither FZ nor DAZ, inexact flag set.
static inline int sseIsPlain(uint32_t mxcsr) {
  return sseLikely((mxcsr & (0xFFC0 | 0x20)) == (MXCSR_DEFAULT | 0x20));
}

static inline int sseHasExponent64(uint64_t a) { return (a & 0x7FF0000000000000) != 0; }
static inline int sseHasExponent32(uint32_t a) { return (a & 0x7F800000) != 0; }

/// Neither within a binade of underflow nor infinite nor NaN.
static inline int sseIsSafe64(uint64_t a) { return ((a >> 52 & 0x7FF) - 2) < 0x7FD; }
static inline int sseIsSafe32(uint32_t a) { return ((a >> 23 & 0xFF) - 2) < 0xFD; }

/// A finite number that is not denormal; comparisons and widening raise nothing on it.
static inline int sseIsOrdinary64(uint64_t a) {
  return ((a >> 52 & 0x7FF) - 1) < 0x7FE || a << 1 == 0;
}
static inline int sseIsOrdinary32(uint32_t a) { return ((a >> 23 & 0xFF) - 1) < 0xFE || a << 1 == 0; }

/// The conditions above for all elements: the operands' exponents are not zero, the result's is
/// safe.
static inline int ssePackedIsSafe(__m128i a, __m128i b, __m128i r, uint32_t exponent, int lanes) {
  const __m128i mask = _mm_set1_epi32((int)exponent);
  const __m128i zero = _mm_setzero_si128();
  // The second lowest exponent, as its field; for doubles only the high doublewords count.
  const __m128i low = _mm_set1_epi32((int)(exponent & (0 - exponent)));
  __m128i e = _mm_and_si128(r, mask);
  __m128i bad = _mm_or_si128(
      _mm_cmpeq_epi32(_mm_and_si128(a, mask), zero), _mm_cmpeq_epi32(_mm_and_si128(b, mask), zero));
  __m128i good = _mm_andnot_si128(_mm_cmpeq_epi32(e, mask), _mm_cmpgt_epi32(e, low));
  return (_mm_movemask_epi8(_mm_andnot_si128(bad, good)) & lanes) == lanes;
}

#define SSE_FAST(NAME, INTRINSIC)                                                                  \
  static inline SSEResult NAME##SD(uint32_t mxcsr, XMMValue a, XMMValue b) {                       \
    if (sseIsPlain(mxcsr)) {                                                                       \
      XMMValue r = (XMMValue)INTRINSIC##_sd((__m128d)a, (__m128d)b);                               \
      if (sseLikely(sseHasExponent64(a[0]) & sseHasExponent64(b[0]) & sseIsSafe64(r[0])))          \
        return (SSEResult){r, mxcsr};                                                              \
    }                                                                                              \
    return NAME##SDExact(mxcsr, a, b);                                                             \
  }                                                                                                \
  static inline SSEResult NAME##SS(uint32_t mxcsr, XMMValue a, XMMValue b) {                       \
    if (sseIsPlain(mxcsr)) {                                                                       \
      XMMValue r = (XMMValue)INTRINSIC##_ss((__m128)a, (__m128)b);                                 \
      if (sseLikely(                                                                               \
              sseHasExponent32((uint32_t)a[0]) & sseHasExponent32((uint32_t)b[0])                  \
              & sseIsSafe32((uint32_t)r[0])))                                                      \
        return (SSEResult){r, mxcsr};                                                              \
    }                                                                                              \
    return NAME##SSExact(mxcsr, a, b);                                                             \
  }                                                                                                \
  static inline SSEResult NAME##PD(uint32_t mxcsr, XMMValue a, XMMValue b) {                       \
    if (sseIsPlain(mxcsr)) {                                                                       \
      XMMValue r = (XMMValue)INTRINSIC##_pd((__m128d)a, (__m128d)b);                               \
      if (sseLikely(ssePackedIsSafe((__m128i)a, (__m128i)b, (__m128i)r, 0x7FF00000, 0xF0F0)))      \
        return (SSEResult){r, mxcsr};                                                              \
    }                                                                                              \
    return NAME##PDExact(mxcsr, a, b);                                                             \
  }                                                                                                \
  static inline SSEResult NAME##PS(uint32_t mxcsr, XMMValue a, XMMValue b) {                       \
    if (sseIsPlain(mxcsr)) {                                                                       \
      XMMValue r = (XMMValue)INTRINSIC##_ps((__m128)a, (__m128)b);                                 \
      if (sseLikely(ssePackedIsSafe((__m128i)a, (__m128i)b, (__m128i)r, 0x7F800000, 0xFFFF)))      \
        return (SSEResult){r, mxcsr};                                                              \
    }                                                                                              \
    return NAME##PSExact(mxcsr, a, b);                                                             \
  }
SSE_FAST(sseAdd, _mm_add)
SSE_FAST(sseSubtract, _mm_sub)
SSE_FAST(sseMultiply, _mm_mul)
SSE_FAST(sseDivide, _mm_div)
#undef SSE_FAST

static inline SSEResult sseSquareRootSD(uint32_t mxcsr, XMMValue a, XMMValue b) {
  if (sseIsPlain(mxcsr) && sseHasExponent64(b[0])) {
    XMMValue r = (XMMValue)_mm_sqrt_sd((__m128d)a, (__m128d)b);
    if (sseLikely(sseIsSafe64(r[0]))) return (SSEResult){r, mxcsr};
  }
  return sseSquareRootSDExact(mxcsr, a, b);
}
static inline SSEResult sseSquareRootSS(uint32_t mxcsr, XMMValue a, XMMValue b) {
  return sseSquareRootSSExact(mxcsr, a, b);
}
static inline SSEResult sseSquareRootPD(uint32_t mxcsr, XMMValue a, XMMValue b) {
  return sseSquareRootPDExact(mxcsr, a, b);
}
static inline SSEResult sseSquareRootPS(uint32_t mxcsr, XMMValue a, XMMValue b) {
  return sseSquareRootPSExact(mxcsr, a, b);
}

// MARK: Comparisons of ordinary numbers raise nothing, whatever MXCSR says.
#define SSE_FAST_COMPARE(NAME, TYPE, BITS, INSTRUCTION)                                            \
  static inline SSEScalarResult NAME(uint32_t mxcsr, XMMValue a, XMMValue b) {                     \
    if (sseLikely(sseIsOrdinary##BITS((TYPE)a[0]) & sseIsOrdinary##BITS((TYPE)b[0]))) {            \
      uint8_t zero, carry;                                                                         \
      __asm__(INSTRUCTION " %[b], %[a]"                                                            \
              : "=@ccz"(zero), "=@ccc"(carry)                                                      \
              : [a] "x"(a), [b] "x"(b));                                                           \
      return (SSEScalarResult){(uint32_t)zero << 6 | carry, mxcsr};                                \
    }                                                                                              \
    return NAME##Exact(mxcsr, a, b);                                                               \
  }
SSE_FAST_COMPARE(sseCompareSSFlags, uint32_t, 32, "ucomiss")
SSE_FAST_COMPARE(sseCompareSSFlagsUnordered, uint32_t, 32, "ucomiss")
SSE_FAST_COMPARE(sseCompareSDFlags, uint64_t, 64, "ucomisd")
SSE_FAST_COMPARE(sseCompareSDFlagsUnordered, uint64_t, 64, "ucomisd")
#undef SSE_FAST_COMPARE

// MARK: Conversions.
static inline SSEScalarResult sseDoubleToInt32Truncated(uint32_t mxcsr, XMMValue a) {
  if (sseIsPlain(mxcsr)) {
    uint32_t r = (uint32_t)_mm_cvttsd_si32((__m128d)a);
    if (sseLikely(r != 0x80000000)) return (SSEScalarResult){r, mxcsr};
  }
  return sseDoubleToInt32TruncatedExact(mxcsr, a);
}
static inline SSEScalarResult sseSingleToInt32Truncated(uint32_t mxcsr, XMMValue a) {
  if (sseIsPlain(mxcsr)) {
    uint32_t r = (uint32_t)_mm_cvttss_si32((__m128)a);
    if (sseLikely(r != 0x80000000)) return (SSEScalarResult){r, mxcsr};
  }
  return sseSingleToInt32TruncatedExact(mxcsr, a);
}
static inline SSEResult sseDoubleToSingle(uint32_t mxcsr, XMMValue a, XMMValue b) {
  if (sseIsPlain(mxcsr) && sseHasExponent64(b[0])) {
    XMMValue r = (XMMValue)_mm_cvtsd_ss((__m128)a, (__m128d)b);
    if (sseLikely(sseIsSafe32((uint32_t)r[0]))) return (SSEResult){r, mxcsr};
  }
  return sseDoubleToSingleExact(mxcsr, a, b);
}
static inline SSEResult sseSingleToDouble(uint32_t mxcsr, XMMValue a, XMMValue b) {
  if (sseLikely(sseIsOrdinary32((uint32_t)b[0])))
    return (SSEResult){(XMMValue)_mm_cvtss_sd((__m128d)a, (__m128)b), mxcsr};
  return sseSingleToDoubleExact(mxcsr, a, b);
}

#endif
