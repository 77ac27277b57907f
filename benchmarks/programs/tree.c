// A binary tree is built and walked by deep recursion.
#include "bench.h"

typedef struct Node { struct Node *left, *right; uint32_t key; } Node;
enum { COUNT = 12000 };
static Node nodes[COUNT];

static __attribute__((noinline)) Node *insert(Node *tree, Node *node) {
  if (!tree) return node;
  if (node->key < tree->key) tree->left = insert(tree->left, node);
  else tree->right = insert(tree->right, node);
  return tree;
}

static __attribute__((noinline)) uint32_t walk(const Node *tree, uint32_t depth) {
  if (!tree) return depth;
  return walk(tree->left, depth + 1) * 3 + walk(tree->right, depth + 1) + tree->key;
}

uint32_t run(uint32_t work) {
  uint32_t sum = 0, state = 9;
  for (uint32_t i = 0; i < work; i++) {
    Node *tree = 0;
    for (int k = 0; k < COUNT; k++) {
      Node fresh = {0, 0, next_random(&state)};
      nodes[k] = fresh;
      tree = insert(tree, &nodes[k]);
    }
    sum = mix(sum, walk(tree, 0));
  }
  return sum;
}
