#include "store/watch.h"

#include <fcntl.h>
#include <unistd.h>

void mpt_watch_begin(mpt_watch *w, hid_t file, const char *what, const char *name) {
  *w = (mpt_watch){.what = what, .name = name, .file = mpt_descriptor_of(file)};
  if (w->file < 0 || !mpt_identify_open(w->file, &w->first)) {
    w->file = -1;
    return;
  }
  w->settled = mpt_is_settled(&w->first);
}

void mpt_watch_hash(mpt_watch *w) {
  mpt_error ignored;
  if (w->file < 0 || w->settled || w->hashed) return;
  w->hashed = mpt_fingerprint_part(w->file, w->name, 0, 1, &w->hash, &ignored) == MPT_DONE;
}

static mpt_code changed(const mpt_watch *w, const char *how, mpt_error *error) {
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot use %s '%s': it was %s during the run (what was read before that is kept: "
      "run again when nobody writes it)",
      w->what, w->name, how);
}

static bool same_content(const mpt_identity *a, const mpt_identity *b) {
  return a->size == b->size && a->written == b->written && a->written_part == b->written_part;
}

mpt_code mpt_watch_look(const mpt_watch *w, mpt_error *error) {
  mpt_identity now;
  if (w->file < 0) return MPT_DONE;
  if (mpt_identify_open(w->file, &now) && same_content(&now, &w->first)) return MPT_DONE;
  return changed(w, now.size < w->first.size ? "truncated" : "overwritten", error);
}

/* Whether the content is still the same: a change of attributes alone changes a time, too. False
 * where the content was not hashed before. */
static bool same_hash(const mpt_watch *w) {
  uint64_t hash;
  mpt_error ignored;
  return w->hashed && mpt_fingerprint_part(w->file, w->name, 0, 1, &hash, &ignored) == MPT_DONE &&
         hash == w->hash;
}

mpt_code mpt_watch_end(const mpt_watch *w, bool *doubt, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_identity now, there;
  if (w->file < 0) return MPT_DONE;
  const int again = open(w->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* makes NFS ask the server */
  const bool stands = again >= 0 && mpt_identify_open(again, &there);
  if (again >= 0) close(again);
  TRY(mpt_watch_look(w, error));
  if (!stands)
    mpt_warn("%s '%s' was removed during the run: its results can no longer be checked", w->what,
             w->name);
  else if (there.inode != w->first.inode || there.device != w->first.device)
    TRY(changed(w, "replaced", error));
  const bool touched =
      mpt_identify_open(w->file, &now) && stands && !mpt_same_identity(&now, &w->first);
  if (touched || !w->settled) *doubt |= !same_hash(w);
  if (*doubt)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use %s '%s': it was changed during the run (nothing of this run is "
                    "kept: run again when nobody writes it)",
                    w->what, w->name);
done:
  return code;
}
