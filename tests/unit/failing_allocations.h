/* Allocations that fail when a test tells them to. The test is linked with --wrap for the three
 * allocators. Include after cmocka.h. */
#ifndef TEST_FAILING_ALLOCATIONS_H
#define TEST_FAILING_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static int64_t left = -1;   /* allocations until one fails; negative: none fails */
static int64_t allocations; /* so far */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool fails(void) {
  __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
  if (left < 0 || left-- > 0) return false;
  failed = true;
  return true;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

#endif
