/* What the lookout does with a file; declared in lookout.h. */
#include <hdf5.h>
#include <stdlib.h>
#include "store/input.h"
#include "store/lookout.h"
#include "store/storage.h"
#include "store/find.h"

/* Reads the attributes that are read of results. */
static void read_attributes(hid_t file) {
  static const char *const names[] = {"schema_name", "schema_version",    "config",
                                      "input_file",  "input_fingerprint", "software_version",
                                      "created",     "hostname",          "slurm_job_id"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    char *text;
    mpt_find_text(file, names[k], &text, NULL);
    free(text);
  }
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *info, void *context) {
  (void)context;
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t dataset = H5Dopen(file, name, H5P_DEFAULT);
  if (dataset < 0) return 0;
  mpt_dataset_lack(dataset);
  H5Dclose(dataset);
  return 0;
}

void mpt_visit_file(const char *name) {
  mpt_input input;
  hid_t file;
  if (mpt_open_for_reading(name, "", &file, NULL) != MPT_DONE) return;
  read_attributes(file);
  H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, NULL);
  H5Fclose(file);
  if (mpt_input_open(name, NULL, 0, &input, NULL) == MPT_DONE) mpt_input_close(&input);
}
