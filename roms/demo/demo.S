#include "reset.h"
main16:
  hlt
  jmp main16
