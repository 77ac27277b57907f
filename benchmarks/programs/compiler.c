// A small compiler: expressions are generated as text, parsed by recursive descent into a tree, folded, compiled for a
// stack machine and executed.
#include "bench.h"

enum { TEXT = 4096, NODES = 2048, CODE = 4096 };
enum kind { NUMBER, NAME, ADD, SUBTRACT, MULTIPLY, NEGATE };
struct node { enum kind kind; uint32_t value; struct node *left, *right; };

static char text[TEXT], *at;
static struct node nodes[NODES];
static uint32_t node_count, code_size, variables[26];
static struct { uint8_t operation; uint32_t value; } code[CODE];

static void generate(uint32_t *state, int depth) {
  uint32_t random = next_random(state);
  if (depth == 0 || random % 16 == 0) {
    if (random & 64) *at++ = (char)('a' + (random >> 8) % 26);
    else at += sprintf(at, "%u", (random >> 8) % 1000);
    return;
  }
  if (random % 16 == 1) *at++ = '-';
  *at++ = '(';
  generate(state, depth - 1);
  *at++ = "+-*+"[random >> 12 & 3];
  generate(state, depth - 1);
  *at++ = ')';
}

static struct node *make(enum kind kind, uint32_t value, struct node *left, struct node *right) {
  struct node *node = &nodes[node_count++];
  *node = (struct node){kind, value, left, right};
  return node;
}

static struct node *sum(void);

static struct node *factor(void) {
  if (*at == '-') {
    at++;
    return make(NEGATE, 0, factor(), 0);
  }
  if (*at == '(') {
    at++;
    struct node *inner = sum();
    at++;
    return inner;
  }
  if (*at >= 'a') return make(NAME, (uint32_t)(*at++ - 'a'), 0, 0);
  uint32_t value = 0;
  while (*at >= '0' && *at <= '9') value = value * 10 + (uint32_t)(*at++ - '0');
  return make(NUMBER, value, 0, 0);
}

static struct node *product(void) {
  struct node *left = factor();
  while (*at == '*') {
    at++;
    left = make(MULTIPLY, 0, left, factor());
  }
  return left;
}

static struct node *sum(void) {
  struct node *left = product();
  while (*at == '+' || *at == '-') {
    enum kind kind = *at++ == '+' ? ADD : SUBTRACT;
    left = make(kind, 0, left, product());
  }
  return left;
}

static struct node *fold(struct node *node) {
  if (!node->left) return node;
  node->left = fold(node->left);
  if (node->right) node->right = fold(node->right);
  if (node->left->kind != NUMBER || (node->right && node->right->kind != NUMBER)) return node;
  uint32_t l = node->left->value, r = node->right ? node->right->value : 0;
  node->value = node->kind == ADD ? l + r : node->kind == SUBTRACT ? l - r : node->kind == MULTIPLY ? l * r : -l;
  node->kind = NUMBER;
  node->left = node->right = 0;
  return node;
}

static void emit(const struct node *node) {
  if (node->left) emit(node->left);
  if (node->right) emit(node->right);
  code[code_size].operation = (uint8_t)node->kind;
  code[code_size++].value = node->value;
}

static uint32_t execute(void) {
  uint32_t stack[64], *top = stack;
  for (uint32_t i = 0; i < code_size; i++) switch (code[i].operation) {
      case NUMBER: *++top = code[i].value; break;
      case NAME: *++top = variables[code[i].value]; break;
      case ADD: top--, top[0] += top[1]; break;
      case SUBTRACT: top--, top[0] -= top[1]; break;
      case MULTIPLY: top--, top[0] *= top[1]; break;
      case NEGATE: *top = -*top; break;
    }
  return *top;
}

uint32_t run(uint32_t work) {
  uint32_t result = 0, state = 29;
  for (uint32_t i = 0; i < work; i++)
    for (int k = 0; k < 60; k++) {
      at = text;
      generate(&state, 7);
      *at = 0;
      at = text;
      node_count = code_size = 0;
      emit(fold(sum()));
      for (int n = 0; n < 26; n++) variables[n] = (uint32_t)n * 7 + i;
      for (int n = 0; n < 4; n++) {
        variables[n]++;
        result = mix(result, execute());
      }
    }
  return result;
}
