#include "run/cache.h"

#include <stdlib.h>
#include <string.h>

enum {
  LOOKED_AT = 8,       /* files that are checked each time */
  MOST_RESULTS = 1024, /* then the least recently used result is dropped */
};

static void release_entries(mpt_cached *cached) {
  for (mpt_cache_entry *p = cached->entries, *next; p; p = next) {
    next = p->next;
    for (int f = 0; f < MPT_QUANTITY_COUNT; f++) free(p->data[f]);
    free(p->report);
    free(p);
  }
  cached->entries = NULL;
}

static void drop(mpt_cache *cache, mpt_cached *cached) {
  cache->bytes -= cached->bytes;
  release_entries(cached);
  free(cached->path);
  free(cached->datasets);
  free(cached);
}

static void unlist(mpt_cache *cache, int64_t k) {
  drop(cache, cache->results[k]);
  cache->count--;
  memmove(cache->results + k, cache->results + k + 1,
          sizeof(mpt_cached *) * (size_t)(cache->count - k));
}

void mpt_cache_release(mpt_cache *cache) {
  while (cache->count) unlist(cache, cache->count - 1);
  free(cache->results);
  *cache = (mpt_cache){0};
}

static int64_t least_recent(const mpt_cache *cache) {
  int64_t least = 0;
  for (int64_t k = 1; k < cache->count; k++)
    if (cache->results[k]->used < cache->results[least]->used) least = k;
  return least;
}

/* Nobody can ask for what belongs to a file that is gone, or is another by now. */
static void drop_stale(mpt_cache *cache) {
  for (int looks = 0; looks < LOOKED_AT && cache->count; looks++) {
    mpt_identity now;
    const int64_t k = cache->looked % cache->count;
    const mpt_cached *cached = cache->results[k];
    if (mpt_identify(cached->path, &now) && mpt_same_identity(&now, &cached->file))
      cache->looked = k + 1;
    else
      unlist(cache, k);
  }
}

mpt_cached *mpt_cache_begin(mpt_cache *cache, char *datasets) {
  mpt_cached *cached = datasets ? mpt_alloc(1, sizeof *cached) : NULL;
  drop_stale(cache);
  if (cached)
    cached->datasets = datasets;
  else
    free(datasets);
  return cached;
}

static void overflow(mpt_cache *cache, mpt_cached *cached) {
  release_entries(cached);
  cache->bytes -= cached->bytes;
  cached->bytes = 0;
  cached->overflowed = true;
}

/* Counts `bytes` more, after older results have made room. */
static bool take_room(mpt_cache *cache, mpt_cached *cached, size_t bytes) {
  const int64_t more = (int64_t)bytes;
  while (cache->count && cache->bytes + more > cache->most) unlist(cache, least_recent(cache));
  if (cache->bytes + more > cache->most) return false;
  cache->bytes += more;
  cached->bytes += more;
  return true;
}

mpt_cache_entry *mpt_cache_add(mpt_cache *cache, mpt_cached *cached, const mpt_cache_entry *place) {
  const size_t reports = (size_t)place->count * sizeof *place->report;
  if (cached->overflowed) return NULL;
  mpt_cache_entry *entry = malloc(sizeof *entry);
  mpt_report *report = malloc(reports + 1);
  if (!entry || !report || !take_room(cache, cached, sizeof *entry + reports)) {
    free(entry);
    free(report);
    overflow(cache, cached);
    return NULL;
  }
  *entry = *place;
  entry->report = report;
  entry->next = cached->entries;
  return cached->entries = entry;
}

void mpt_cache_copy(mpt_cache *cache, mpt_cached *cached, mpt_quantity quantity, const void *data,
                    size_t bytes) {
  if (cached->overflowed) return;
  void *copy = malloc(bytes + 1);
  if (!copy || !take_room(cache, cached, bytes)) {
    free(copy);
    overflow(cache, cached);
    return;
  }
  memcpy(copy, data, bytes);
  cached->entries->data[quantity] = copy;
}

static bool enlist(mpt_cache *cache, mpt_cached *cached) {
  if (cache->count == MOST_RESULTS) unlist(cache, least_recent(cache));
  if (cache->count == cache->capacity) {
    const int64_t capacity = 2 * cache->capacity + 16;
    mpt_cached **grown = realloc(cache->results, sizeof *grown * (size_t)capacity);
    if (!grown) return false;
    cache->results = grown;
    cache->capacity = capacity;
  }
  cache->results[cache->count++] = cached;
  return true;
}

/* What that file, or the file at that path, held before. */
static void drop_replaced(mpt_cache *cache, const char *path, const mpt_identity *file) {
  for (int64_t k = cache->count; k-- > 0;) {
    const mpt_cached *old = cache->results[k];
    if (!strcmp(old->path, path) ||
        (old->file.device == file->device && old->file.inode == file->inode))
      unlist(cache, k);
  }
}

void mpt_cache_end(mpt_cache *cache, mpt_cached *cached, const char *path,
                   const mpt_identity *file) {
  cached->path = path ? mpt_format("%s", path) : NULL;
  if (cached->path) cached->file = *file;
  cached->used = ++cache->clock;
  if (cached->path) drop_replaced(cache, cached->path, file);
  if (!cached->path || cached->overflowed || !enlist(cache, cached)) drop(cache, cached);
}

mpt_cached *mpt_cache_find(mpt_cache *cache, const mpt_identity *file, const char *id,
                           const char *datasets) {
  for (int64_t k = 0; id && datasets && k < cache->count; k++) {
    mpt_cached *cached = cache->results[k];
    if (!mpt_same_identity(&cached->file, file) || strcmp(cached->id, id) ||
        strcmp(cached->datasets, datasets))
      continue;
    cached->used = ++cache->clock;
    return cached;
  }
  return NULL;
}

const mpt_cache_entry *mpt_cached_entry(const mpt_cached *cached, const mpt_cache_entry *place) {
  for (const mpt_cache_entry *p = cached->entries; p; p = p->next)
    if (p->dataset == place->dataset && p->first == place->first && p->count == place->count &&
        p->row0 == place->row0 && p->rows == place->rows)
      return p;
  return NULL;
}

int64_t mpt_cached_singles(const mpt_cached *cached) {
  int64_t count = 0;
  for (const mpt_cache_entry *p = cached->entries; p; p = p->next)
    if (p->ranks == 1) count += p->count;
  return count;
}
