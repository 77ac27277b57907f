#include "CHost.h"

_Static_assert(sizeof(Instruction) == 36, "Instruction is copied as nine words");
_Static_assert(sizeof(MicroOp) == 64, "one micro-op per cache line");
