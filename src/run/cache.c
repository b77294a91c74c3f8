#include "run/cache.h"

#include <stdlib.h>
#include <string.h>

enum {
  LOOKED_AT = 8,       /* files that are looked for each time */
  MOST_RESULTS = 1024, /* results that nobody has asked for stay no longer than that */
};

static void release_pieces(mpt_kept *kept) {
  for (mpt_piece *p = kept->pieces, *next; p; p = next) {
    next = p->next;
    for (int f = 0; f < MPT_FIELD_COUNT; f++) free(p->data[f]);
    free(p->report);
    free(p);
  }
  kept->pieces = NULL;
}

static void drop(mpt_keep *keep, mpt_kept *kept) {
  keep->bytes -= kept->bytes;
  release_pieces(kept);
  free(kept->path);
  free(kept->datasets);
  free(kept);
}

static void unlist(mpt_keep *keep, int64_t k) {
  drop(keep, keep->results[k]);
  keep->count--;
  memmove(keep->results + k, keep->results + k + 1, sizeof(mpt_kept *) * (size_t)(keep->count - k));
}

void mpt_keep_release(mpt_keep *keep) {
  while (keep->count) unlist(keep, keep->count - 1);
  free(keep->results);
  *keep = (mpt_keep){0};
}

static int64_t least_recent(const mpt_keep *keep) {
  int64_t least = 0;
  for (int64_t k = 1; k < keep->count; k++)
    if (keep->results[k]->used < keep->results[least]->used) least = k;
  return least;
}

/* Nobody can ask for what belongs to a file that is gone, or is another by now. */
static void drop_stale(mpt_keep *keep) {
  for (int looks = 0; looks < LOOKED_AT && keep->count; looks++) {
    mpt_identity now;
    const int64_t k = keep->looked % keep->count;
    const mpt_kept *kept = keep->results[k];
    if (mpt_identify(kept->path, &now) && mpt_same_identity(&now, &kept->file))
      keep->looked = k + 1;
    else
      unlist(keep, k);
  }
}

mpt_kept *mpt_keep_begin(mpt_keep *keep, char *datasets) {
  mpt_kept *kept = datasets ? mpt_alloc(1, sizeof *kept) : NULL;
  drop_stale(keep);
  if (kept)
    kept->datasets = datasets;
  else
    free(datasets);
  return kept;
}

static void overflow(mpt_keep *keep, mpt_kept *kept) {
  release_pieces(kept);
  keep->bytes -= kept->bytes;
  kept->bytes = 0;
  kept->overflowed = true;
}

/* Counts `bytes` more, after older results have made room. */
static bool take_room(mpt_keep *keep, mpt_kept *kept, size_t bytes) {
  const int64_t more = (int64_t)bytes;
  while (keep->count && keep->bytes + more > keep->most) unlist(keep, least_recent(keep));
  if (keep->bytes + more > keep->most) return false;
  keep->bytes += more;
  kept->bytes += more;
  return true;
}

mpt_piece *mpt_keep_piece(mpt_keep *keep, mpt_kept *kept, const mpt_piece *place) {
  const size_t reports = (size_t)place->count * sizeof *place->report;
  if (kept->overflowed) return NULL;
  mpt_piece *piece = malloc(sizeof *piece);
  mpt_report *report = malloc(reports + 1);
  if (!piece || !report || !take_room(keep, kept, sizeof *piece + reports)) {
    free(piece);
    free(report);
    overflow(keep, kept);
    return NULL;
  }
  *piece = *place;
  piece->report = report;
  piece->next = kept->pieces;
  return kept->pieces = piece;
}

void mpt_keep_copy(mpt_keep *keep, mpt_kept *kept, mpt_field field, const void *data,
                   size_t bytes) {
  if (kept->overflowed) return;
  void *copy = malloc(bytes + 1);
  if (!copy || !take_room(keep, kept, bytes)) {
    free(copy);
    overflow(keep, kept);
    return;
  }
  memcpy(copy, data, bytes);
  kept->pieces->data[field] = copy;
}

static bool enlist(mpt_keep *keep, mpt_kept *kept) {
  if (keep->count == MOST_RESULTS) unlist(keep, least_recent(keep));
  if (keep->count == keep->capacity) {
    const int64_t capacity = 2 * keep->capacity + 16;
    mpt_kept **grown = realloc(keep->results, sizeof *grown * (size_t)capacity);
    if (!grown) return false;
    keep->results = grown;
    keep->capacity = capacity;
  }
  keep->results[keep->count++] = kept;
  return true;
}

/* What that file, or the file at that path, held before. */
static void drop_replaced(mpt_keep *keep, const char *path, const mpt_identity *file) {
  for (int64_t k = keep->count; k-- > 0;) {
    const mpt_kept *old = keep->results[k];
    if (!strcmp(old->path, path) ||
        (old->file.device == file->device && old->file.inode == file->inode))
      unlist(keep, k);
  }
}

void mpt_keep_end(mpt_keep *keep, mpt_kept *kept, const char *path, const mpt_identity *file) {
  kept->path = path ? mpt_format("%s", path) : NULL;
  if (kept->path) kept->file = *file;
  kept->used = ++keep->clock;
  if (kept->path) drop_replaced(keep, kept->path, file);
  if (!kept->path || kept->overflowed || !enlist(keep, kept)) drop(keep, kept);
}

mpt_kept *mpt_keep_find(mpt_keep *keep, const mpt_identity *file, const char *id,
                        const char *datasets) {
  for (int64_t k = 0; id && datasets && k < keep->count; k++) {
    mpt_kept *kept = keep->results[k];
    if (!mpt_same_identity(&kept->file, file) || strcmp(kept->id, id) ||
        strcmp(kept->datasets, datasets))
      continue;
    kept->used = ++keep->clock;
    return kept;
  }
  return NULL;
}

const mpt_piece *mpt_kept_piece(const mpt_kept *kept, const mpt_piece *place) {
  for (const mpt_piece *p = kept->pieces; p; p = p->next)
    if (p->dataset == place->dataset && p->first == place->first && p->count == place->count &&
        p->row0 == place->row0 && p->rows == place->rows)
      return p;
  return NULL;
}

int64_t mpt_kept_singles(const mpt_kept *kept) {
  int64_t count = 0;
  for (const mpt_piece *p = kept->pieces; p; p = p->next)
    if (p->ranks == 1) count += p->count;
  return count;
}
