#include "run/look.h"

#include "store/lookout.h"

mpt_code mpt_look_at_inputs(const mpt_config *c, mpt_error *error) {
  mpt_code code = MPT_DONE;
  TRY(mpt_look_at(c->input_file, "input", error));
  TRY(mpt_look_at(c->cotangents, "cotangents", error));
  TRY(mpt_look_at(c->eigenpairs, "eigenpairs", error));
  TRY(mpt_look_at(c->reference.file, "reference", error));
  TRY(mpt_look_at(c->tangent, "directions", error));
done:
  return code;
}
