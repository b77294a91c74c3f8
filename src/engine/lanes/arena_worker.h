/* Hands out pieces of memory; without memory, counts the bytes. */
typedef struct NAME(arena) {
  char *base;
  int64_t used;
} NAME(arena);

static void *NAME(take)(NAME(arena) * arena, int64_t count, size_t size) {
  const int64_t at = arena->used;
  arena->used += (count * (int64_t)size + 2 * LANE_BYTES - 1) / LANE_BYTES * LANE_BYTES;
  return arena->base ? arena->base + at : NULL;
}

static Lane *NAME(lanes)(NAME(arena) * arena, int64_t count) {
  return NAME(take)(arena, count, sizeof(Lane));
}
