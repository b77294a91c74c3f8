#include "store/spec.h"

#include <string.h>

char *mpt_quantity_path(const mpt_result_spec *spec, int64_t d, mpt_quantity quantity,
                        int64_t function) {
  const char *path = spec->datasets[d].path, *name = mpt_quantities[quantity].name;
  if (!name) return mpt_format("%s", path);
  return mpt_format("%s/%s%s", strcmp(path, "/") ? path : "", name,
                    mpt_is_per_function(quantity) ? spec->functions[function].name : "");
}

bool mpt_is_stored(const mpt_result_spec *spec, mpt_quantity quantity, int64_t function) {
  if (!(spec->quantities & MPT_BIT(quantity))) return false;
  if (!mpt_is_per_function(quantity)) return function == 0;
  return function < spec->function_count && spec->functions[function].arrays & MPT_BIT(quantity);
}
