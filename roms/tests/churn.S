/* A guest that never stops making code: short programs at random linear addresses of many address spaces, in frames
   that are used again and again, each run a few times in ring 0 or ring 3 and never again. How much memory that takes
   from the host is what Tests/CommandLineTests measures; the checks are of what the programs compute. */
#include "test.h"
#include "pages.h"

TESTS
  movl $0x90000, %esp
  call churn
  CLEAR_CR0 PG
  CHECK "wrong results", wrong, $0
  CHECK "programs have run", programs_have_run, $1
FINISH

#include "ring3.h"
