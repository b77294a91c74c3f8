#include "store/input.h"

#include <stdlib.h>
#include "store/search.h"

/* The error when no dataset of the file can be used. */
static mpt_code nothing_found(const mpt_input *input, mpt_error *error) {
  const char *not_used = input->not_used;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot use '%s': it holds no square matrices that can be read%s%.600s (give a "
                  "dataset [n, n] or [*, n, n] of float32, float64 or a complex compound {r, i})",
                  input->name, not_used ? "; " : "", not_used ? not_used : "");
}

mpt_code mpt_input_open(const char *name, char *const *paths, int64_t count, mpt_input *input,
                        mpt_error *error) {
  mpt_code code = MPT_DONE;
  *input = (mpt_input){.file = H5I_INVALID_HID, .name = mpt_format("%s", name)};
  if (!input->name) return mpt_no_memory("open the input", error);
  TRY(mpt_open_for_reading(name, "input", &input->file, error));
  mpt_identify_open(mpt_descriptor_of(input->file), &input->opened);
  for (int64_t k = 0; paths && k < count; k++) TRY(mpt_add_dataset(input, paths[k], error));
  if (!paths) TRY(mpt_search_datasets(input, error));
  if (!input->count) TRY(nothing_found(input, error));
done:
  if (code != MPT_DONE) mpt_input_close(input);
  return code;
}

void mpt_input_close(mpt_input *input) {
  for (int64_t k = 0; k < input->count; k++) free(input->datasets[k].path);
  free(input->datasets);
  free(input->not_used);
  free(input->name);
  if (input->file > 0) H5Fclose(input->file); /* an input that was never opened is all zero */
  *input = (mpt_input){.file = H5I_INVALID_HID};
}
