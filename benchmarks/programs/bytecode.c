// An interpreter for a small stack machine: a jump table in a loop.
#include "bench.h"

enum { PUSH, ADD, MUL, DUP, SWAP, XOR, DROP, DECREMENT_JUMP, HALT };

static const uint8_t program[] = {
    PUSH, 7, PUSH, 3, ADD, DUP, PUSH, 5, MUL, SWAP, XOR, PUSH, 11, ADD, DUP, MUL, PUSH, 1, XOR, ADD,
    DECREMENT_JUMP, 0, HALT,
};

static __attribute__((noinline)) uint32_t interpret(uint32_t value, uint32_t loops) {
  uint32_t stack[16] = {value}, *top = stack;
  const uint8_t *pc = program;
  for (;;) switch (*pc++) {
      case PUSH: *++top = *pc++; break;
      case ADD: top[-1] += *top; top--; break;
      case MUL: top[-1] *= *top; top--; break;
      case DUP: top[1] = *top; top++; break;
      case SWAP: { uint32_t t = *top; *top = top[-1]; top[-1] = t; break; }
      case XOR: top[-1] ^= *top; top--; break;
      case DROP: top--; break;
      case DECREMENT_JUMP: pc = --loops ? program + *pc : pc + 1; break;
      case HALT: return *top;
      default: __builtin_unreachable();
    }
}

uint32_t run(uint32_t work) {
  uint32_t x = 1;
  for (uint32_t i = 0; i < work; i++) x = interpret(x, 40000);
  return x;
}
