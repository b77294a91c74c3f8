#include "store/spec.h"

#include <string.h>

char *mpt_field_path(const mpt_result_spec *spec, int64_t d, mpt_field field, int64_t function) {
  const char *path = spec->datasets[d].path;
  return mpt_format("%s/%s%s", strcmp(path, "/") ? path : "", mpt_fields[field].name,
                    mpt_is_per_function(field) ? spec->functions[function].name : "");
}

bool mpt_is_stored(const mpt_result_spec *spec, mpt_field field, int64_t function) {
  if (!(spec->fields & MPT_BIT(field))) return false;
  if (!mpt_is_per_function(field)) return function == 0;
  if (function >= spec->function_count) return false;
  return field != MPT_CHEMICAL_POTENTIAL || spec->functions[function].chemical_potential;
}
