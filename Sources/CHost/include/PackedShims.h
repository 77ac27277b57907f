/// The packed integer instructions of MMX (64 bits) and SSE2 (128 bits) and the shuffles of SSE: no
/// flags, no faults.
#ifndef SWITCHBACK_PACKEDSHIMS_H
#define SWITCHBACK_PACKEDSHIMS_H

#include <emmintrin.h>
#include "XMMValue.h"

static inline __m128i packedOfMMX(uint64_t a) { return _mm_cvtsi64_si128((long long)a); }
static inline uint64_t packedToMMX(__m128i a) { return (uint64_t)_mm_cvtsi128_si64(a); }

// MARK: Element by element: the same on both widths.
#define PACKED(NAME, INTRINSIC)                                                                    \
  static inline uint64_t mmx##NAME(uint64_t a, uint64_t b) {                                       \
    return packedToMMX(INTRINSIC(packedOfMMX(a), packedOfMMX(b)));                                 \
  }                                                                                                \
  static inline XMMValue xmm##NAME(XMMValue a, XMMValue b) {                                       \
    return (XMMValue)INTRINSIC((__m128i)a, (__m128i)b);                                            \
  }
PACKED(AddBytes, _mm_add_epi8)
PACKED(AddWords, _mm_add_epi16)
PACKED(AddDoublewords, _mm_add_epi32)
PACKED(AddQuadwords, _mm_add_epi64)
PACKED(AddBytesSigned, _mm_adds_epi8)
PACKED(AddWordsSigned, _mm_adds_epi16)
PACKED(AddBytesUnsigned, _mm_adds_epu8)
PACKED(AddWordsUnsigned, _mm_adds_epu16)
PACKED(SubtractBytes, _mm_sub_epi8)
PACKED(SubtractWords, _mm_sub_epi16)
PACKED(SubtractDoublewords, _mm_sub_epi32)
PACKED(SubtractQuadwords, _mm_sub_epi64)
PACKED(SubtractBytesSigned, _mm_subs_epi8)
PACKED(SubtractWordsSigned, _mm_subs_epi16)
PACKED(SubtractBytesUnsigned, _mm_subs_epu8)
PACKED(SubtractWordsUnsigned, _mm_subs_epu16)
PACKED(And, _mm_and_si128)
PACKED(AndNot, _mm_andnot_si128)
PACKED(Or, _mm_or_si128)
PACKED(Xor, _mm_xor_si128)
PACKED(EqualBytes, _mm_cmpeq_epi8)
PACKED(EqualWords, _mm_cmpeq_epi16)
PACKED(EqualDoublewords, _mm_cmpeq_epi32)
PACKED(GreaterBytes, _mm_cmpgt_epi8)
PACKED(GreaterWords, _mm_cmpgt_epi16)
PACKED(GreaterDoublewords, _mm_cmpgt_epi32)
PACKED(MultiplyAddWords, _mm_madd_epi16)
PACKED(MultiplyHighWords, _mm_mulhi_epi16)
PACKED(MultiplyHighWordsUnsigned, _mm_mulhi_epu16)
PACKED(MultiplyLowWords, _mm_mullo_epi16)
PACKED(MultiplyDoublewordsUnsigned, _mm_mul_epu32)
PACKED(AverageBytes, _mm_avg_epu8)
PACKED(AverageWords, _mm_avg_epu16)
PACKED(MaximumWords, _mm_max_epi16)
PACKED(MaximumBytes, _mm_max_epu8)
PACKED(MinimumWords, _mm_min_epi16)
PACKED(MinimumBytes, _mm_min_epu8)
PACKED(SumOfDifferences, _mm_sad_epu8)
// Shifts: the count is the low 64 bits of the second operand.
PACKED(ShiftLeftWords, _mm_sll_epi16)
PACKED(ShiftLeftDoublewords, _mm_sll_epi32)
PACKED(ShiftLeftQuadwords, _mm_sll_epi64)
PACKED(ShiftRightWords, _mm_srl_epi16)
PACKED(ShiftRightDoublewords, _mm_srl_epi32)
PACKED(ShiftRightQuadwords, _mm_srl_epi64)
PACKED(ShiftRightWordsSigned, _mm_sra_epi16)
PACKED(ShiftRightDoublewordsSigned, _mm_sra_epi32)

// MARK: Packs and unpacks: MMX keeps both halves in one 128-bit register.
#define PACKED_PACK(NAME, INTRINSIC)                                                               \
  static inline uint64_t mmx##NAME(uint64_t a, uint64_t b) {                                       \
    __m128i both = _mm_unpacklo_epi64(packedOfMMX(a), packedOfMMX(b));                             \
    return packedToMMX(INTRINSIC(both, both));                                                     \
  }                                                                                                \
  static inline XMMValue xmm##NAME(XMMValue a, XMMValue b) {                                       \
    return (XMMValue)INTRINSIC((__m128i)a, (__m128i)b);                                            \
  }
PACKED_PACK(PackWordsSigned, _mm_packs_epi16)
PACKED_PACK(PackDoublewordsSigned, _mm_packs_epi32)
PACKED_PACK(PackWordsUnsigned, _mm_packus_epi16)

#define PACKED_UNPACK(NAME, SUFFIX)                                                                \
  static inline uint64_t mmxUnpackLow##NAME(uint64_t a, uint64_t b) {                              \
    return packedToMMX(_mm_unpacklo_##SUFFIX(packedOfMMX(a), packedOfMMX(b)));                     \
  }                                                                                                \
  static inline uint64_t mmxUnpackHigh##NAME(uint64_t a, uint64_t b) {                             \
    __m128i both = _mm_unpacklo_##SUFFIX(packedOfMMX(a), packedOfMMX(b));                          \
    return packedToMMX(_mm_unpackhi_epi64(both, both));                                            \
  }                                                                                                \
  static inline XMMValue xmmUnpackLow##NAME(XMMValue a, XMMValue b) {                              \
    return (XMMValue)_mm_unpacklo_##SUFFIX((__m128i)a, (__m128i)b);                                \
  }                                                                                                \
  static inline XMMValue xmmUnpackHigh##NAME(XMMValue a, XMMValue b) {                             \
    return (XMMValue)_mm_unpackhi_##SUFFIX((__m128i)a, (__m128i)b);                                \
  }
PACKED_UNPACK(Bytes, epi8)
PACKED_UNPACK(Words, epi16)
PACKED_UNPACK(Doublewords, epi32)

static inline XMMValue xmmUnpackLowQuadwords(XMMValue a, XMMValue b) {
  return (XMMValue){a[0], b[0]};
}
static inline XMMValue xmmUnpackHighQuadwords(XMMValue a, XMMValue b) {
  return (XMMValue){a[1], b[1]};
}

// MARK: Shuffles. The order is run-time data here, so they are done by element.
static inline uint64_t packedShuffleWords(uint64_t a, uint32_t order) {
  uint64_t result = 0;
  for (uint32_t n = 0; n < 4; n++) result |= (a >> 16 * (order >> 2 * n & 3) & 0xFFFF) << 16 * n;
  return result;
}

static inline uint64_t packedDoubleword(XMMValue a, uint32_t n) {
  return (uint32_t)(a[n >> 1 & 1] >> 32 * (n & 1));
}

/// SHUFPS, and PSHUFD with both operands alike.
static inline XMMValue xmmShuffleDoublewords(XMMValue a, XMMValue b, uint32_t order) {
  return (XMMValue){
      packedDoubleword(a, order) | packedDoubleword(a, order >> 2) << 32,
      packedDoubleword(b, order >> 4) | packedDoubleword(b, order >> 6) << 32,
  };
}

/// PSLLDQ and PSRLDQ by `count` bytes.
static inline XMMValue xmmShiftLeftBytes(XMMValue a, uint32_t count) {
  unsigned __int128 value = (unsigned __int128)a[1] << 64 | a[0];
  value = count > 15 ? 0 : value << 8 * count;
  return (XMMValue){(uint64_t)value, (uint64_t)(value >> 64)};
}
static inline XMMValue xmmShiftRightBytes(XMMValue a, uint32_t count) {
  unsigned __int128 value = (unsigned __int128)a[1] << 64 | a[0];
  value = count > 15 ? 0 : value >> 8 * count;
  return (XMMValue){(uint64_t)value, (uint64_t)(value >> 64)};
}

// MARK: Sign masks.
static inline uint32_t mmxSignMask(uint64_t a) {
  return (uint32_t)_mm_movemask_epi8(packedOfMMX(a)) & 0xFF;
}
static inline uint32_t xmmSignMaskBytes(XMMValue a) { return (uint32_t)_mm_movemask_epi8((__m128i)a); }
static inline uint32_t xmmSignMaskSingles(XMMValue a) { return (uint32_t)_mm_movemask_ps((__m128)a); }
static inline uint32_t xmmSignMaskDoubles(XMMValue a) {
  return (uint32_t)_mm_movemask_pd((__m128d)a);
}

#undef PACKED
#undef PACKED_PACK
#undef PACKED_UNPACK

#endif
