/// What the oracle's parent and child share.
#ifndef SWITCHBACK_HOST_ORACLE_INTERNAL_H
#define SWITCHBACK_HOST_ORACLE_INTERNAL_H

#include "CHostOracle.h"

enum { STATE_IDLE, STATE_RUNNING };

typedef struct Shared {
  // Mapped at the low addresses, so each is page-aligned.
  uint8_t code[ORACLE_PAGE] __attribute__((aligned(ORACLE_PAGE)));
  uint8_t image[ORACLE_IMAGE_PAGES * ORACLE_PAGE];
  uint8_t initialImage[ORACLE_IMAGE_PAGES * ORACLE_PAGE];
  uint32_t state;    ///< A futex word.
  uint32_t current;  ///< The case being run.
  uint32_t count;
  uint32_t ready;
  int32_t parent;
  OracleCase cases[ORACLE_BATCH];
  OracleOutcome outcomes[ORACLE_BATCH];
  uint8_t images[ORACLE_BATCH][ORACLE_IMAGE_PAGES * ORACLE_PAGE];
} Shared;

/// The child's life; `descriptor` is the memory object that `shared` maps.
__attribute__((noreturn)) void oracleChild(Shared *shared, int descriptor);

#endif
