#include "store/schema.h"

#include <multiplet/eigh.h>
#include <stddef.h>
#include <string.h>

const mpt_field_info mpt_fields[] = {
    [MPT_EIGENVALUES] = {"eigenvalues", MPT_PER_EIGENVALUE, MPT_E_REAL, .meaning = "ascending"},
    [MPT_EIGENVECTORS] = {"eigenvectors", MPT_VECTORS, MPT_E_SCALAR,
                          .meaning = "column j is vector j"},
    [MPT_MULTIPLET] = {"multiplet", MPT_PER_EIGENVALUE, MPT_E_INT32,
                       .meaning = "number of the multiplet that each eigenvalue belongs to"},
    [MPT_FOUND] = {"found", MPT_ONE, MPT_E_INT32,
                   .meaning = "how many eigenvalues lie in the range"},
    [MPT_FUNCTION] = {"functions/", MPT_MATRIX, MPT_E_SCALAR, .meaning = "f(A)"},
    [MPT_FRAME] = {"frame", MPT_FRAME_COLUMNS, MPT_E_SCALAR, .meaning = "P R (R^H P R)^(-1/2)"},
    [MPT_GRADIENT] = {"gradient", MPT_MATRIX, MPT_E_SCALAR, .meaning = "dL = Re tr(G^H dA)"},
    [MPT_GRADIENT_REFERENCE] = {"gradient_reference", MPT_FRAME_COLUMNS, MPT_E_SCALAR,
                                .meaning = "the same by the frame's reference R"},
    [MPT_REFLECTORS] = {"factor/reflectors", MPT_MATRIX, MPT_E_SCALAR,
                        .meaning =
                            "of Q in conj(A) = Q T Q^H, as LAPACK's ?hetrd('L') leaves them"},
    [MPT_TAU] = {"factor/tau", MPT_PER_ROW, MPT_E_SCALAR, .meaning = "their factors"},
    [MPT_DIAGONAL] = {"factor/diagonal", MPT_PER_ROW, MPT_E_REAL, .meaning = "of T"},
    [MPT_OFFDIAGONAL] = {"factor/offdiagonal", MPT_PER_ROW, MPT_E_REAL,
                         .meaning = "of T, and a zero"},
    [MPT_SPECTRUM] = {"factor/eigenvalues", MPT_PER_ROW, MPT_E_REAL,
                      .meaning = "of T, all of them"},
    [MPT_TANGENT_EIGENVALUES] = {"tangent/eigenvalues", MPT_PER_EIGENVALUE, MPT_E_REAL,
                                 .meaning = "derivatives along the direction"},
    [MPT_TANGENT_EIGENVECTORS] = {"tangent/eigenvectors", MPT_VECTORS, MPT_E_SCALAR,
                                  .meaning = "derivatives along the direction, parallel gauge"},
    [MPT_TANGENT_FUNCTION] = {"tangent/functions/", MPT_MATRIX, MPT_E_SCALAR,
                              .meaning = "derivatives along the direction"},
    [MPT_STATUS] = {"status", MPT_ONE, MPT_E_STATUS, .meaning = "what became of the problem"},
    [MPT_RESIDUAL] = {"diagnostics/residual", MPT_ONE, MPT_E_DOUBLE,
                      .meaning = "|A V x - V (w o x)| / (n eps |A| |x|)", .wanted = MPT_FOR_VECTORS,
                      .report = offsetof(mpt_report, residual)},
    [MPT_ORTHOGONALITY] = {"diagnostics/orthogonality", MPT_ONE, MPT_E_DOUBLE,
                           .meaning = "|V^H V x - x| / (n eps |x|)", .wanted = MPT_FOR_VECTORS,
                           .report = offsetof(mpt_report, orthogonality)},
    [MPT_MIN_GAP] = {"diagnostics/min_gap", MPT_ONE, MPT_E_DOUBLE,
                     .meaning = "smallest gap between multiplets / |A|", .wanted = MPT_FOR_ALL,
                     .report = offsetof(mpt_report, min_gap)},
    [MPT_GAUGE_VIOLATION] =
        {"diagnostics/gauge_violation", MPT_ONE, MPT_E_DOUBLE,
         .meaning = "how much the loss depends on the basis inside a multiplet, 0 to 1",
         .wanted = MPT_FOR_GRADIENT, .report = offsetof(mpt_report, gauge_violation)},
    [MPT_COTANGENT_SPREAD] = {"diagnostics/cotangent_spread", MPT_ONE, MPT_E_DOUBLE,
                              .meaning =
                                  "spread of eigenvalue cotangents inside a multiplet / max|gw|",
                              .wanted = MPT_FOR_GRADIENT,
                              .report = offsetof(mpt_report, cotangent_spread)},
    [MPT_GRADIENT_ERROR] = {"diagnostics/gradient_error", MPT_ONE, MPT_E_DOUBLE,
                            .meaning = "estimated relative error of the gradient",
                            .wanted = MPT_FOR_GRADIENT,
                            .report = offsetof(mpt_report, gradient_error)},
    [MPT_FRAME_CONDITION] = {"diagnostics/frame_condition", MPT_ONE, MPT_E_DOUBLE,
                             .meaning =
                                 "how near the frame's reference comes to missing the subspace",
                             .wanted = MPT_FOR_FRAME,
                             .report = offsetof(mpt_report, frame_condition)},
    [MPT_TANGENT_SPLITTING] = {"diagnostics/tangent_splitting", MPT_ONE, MPT_E_DOUBLE,
                               .meaning = "how much the direction splits multiplets, 0 to 1",
                               .wanted = MPT_FOR_TANGENT,
                               .report = offsetof(mpt_report, tangent_splitting)},
    [MPT_TANGENT_ERROR] = {"diagnostics/tangent_error", MPT_ONE, MPT_E_DOUBLE,
                           .meaning =
                               "estimated relative error of the derivatives along the direction",
                           .wanted = MPT_FOR_TANGENT,
                           .report = offsetof(mpt_report, tangent_error)},
    [MPT_OUTPUT_RESIDUAL] = {"diagnostics/output_residual", MPT_ONE, MPT_E_DOUBLE,
                             .meaning =
                                 "of what was made of the eigenpairs against its own factors",
                             .wanted = MPT_FOR_GRADIENT | MPT_FOR_FUNCTIONS | MPT_FOR_FRAME |
                                       MPT_FOR_TANGENT,
                             .report = offsetof(mpt_report, output_residual)},
    [MPT_GRADIENT_RULE] = {"diagnostics/gradient_rule", MPT_ONE, MPT_E_RULE,
                           .meaning =
                               "what carried the gradient through equal and near eigenvalues",
                           .wanted = MPT_FOR_GRADIENT, .report = offsetof(mpt_report, rule)},
    [MPT_RETRIED] = {"diagnostics/retried", MPT_ONE, MPT_E_INT8,
                     .meaning =
                         "whether the first solution failed its check and the reference solved it",
                     .wanted = MPT_FOR_ALL, .report = offsetof(mpt_report, retried)},
    [MPT_CHEMICAL_POTENTIAL] = {"diagnostics/chemical_potential/", MPT_ONE, MPT_E_DOUBLE,
                                .meaning = "mu at the fixed electron number",
                                .wanted = MPT_FOR_ALL},
    [MPT_SECONDS] = {"diagnostics/seconds", MPT_ONE, MPT_E_DOUBLE,
                     .meaning = "seconds of solving and differentiating", .wanted = MPT_FOR_ALL,
                     .report = offsetof(mpt_report, seconds)},
    [MPT_STARTED] = {"diagnostics/started", MPT_ONE, MPT_E_DOUBLE, .meaning = "when that began",
                     .wanted = MPT_FOR_ALL},
    [MPT_SOLVER] = {"diagnostics/solver", MPT_ONE, MPT_E_SOLVER, .meaning = "who solved it",
                    .wanted = MPT_FOR_ALL},
    [MPT_RANKS] = {"diagnostics/ranks", MPT_ONE, MPT_E_INT32, .meaning = "how many ranks solved it",
                   .wanted = MPT_FOR_ALL},
    [MPT_RANK] = {"diagnostics/rank", MPT_ONE, MPT_E_INT32,
                  .meaning = "which, or the first of them", .wanted = MPT_FOR_ALL},
};
_Static_assert(sizeof mpt_fields / sizeof *mpt_fields == MPT_FIELD_COUNT, "a field has no row");

const char *const mpt_solver_names[] = {"none", "lapack", "scalapack", "lanes", NULL};
const char *const mpt_rule_names[] = {"plain", "form", "mean", "unbiased", "raw", NULL};
_Static_assert(sizeof mpt_solver_names / sizeof *mpt_solver_names == MPT_SOLVER_NAMES + 1,
               "a solver has no name");
_Static_assert(sizeof mpt_rule_names / sizeof *mpt_rule_names == MPT_RULE_NAMES + 1 &&
                   MPT_RULE_NAMES == MPT_RULE_RAW + 1,
               "a rule has no name");

/* A type without some of its members is another type. */
static hid_t whole_or_none(hid_t type, bool whole) {
  if (whole || type < 0) return type;
  H5Tclose(type);
  return H5I_INVALID_HID;
}

hid_t mpt_scalar_type(mpt_type type) {
  hid_t real = mpt_real_size(type) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
  if (!mpt_type_is_complex(type)) return H5Tcopy(real);
  hid_t pair = H5Tcreate(H5T_COMPOUND, mpt_type_size(type));
  const bool whole = pair >= 0 && H5Tinsert(pair, "r", 0, real) >= 0 &&
                     H5Tinsert(pair, "i", mpt_real_size(type), real) >= 0;
  return whole_or_none(pair, whole);
}

static hid_t status_type(void) {
  hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  bool whole = type >= 0;
  for (int8_t s = 0; whole && s < MPT_STATUS_COUNT; s++)
    whole = H5Tenum_insert(type, mpt_status_name(s), &s) >= 0;
  return whole_or_none(type, whole);
}

static hid_t enum_type(const char *const *names) {
  hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  bool whole = type >= 0;
  for (int8_t s = 0; whole && names[s]; s++) whole = H5Tenum_insert(type, names[s], &s) >= 0;
  return whole_or_none(type, whole);
}

size_t mpt_element_size(mpt_element element, mpt_type type) {
  switch (element) {
  case MPT_E_REAL:
    return mpt_real_size(type);
  case MPT_E_SCALAR:
    return mpt_type_size(type);
  case MPT_E_DOUBLE:
    return sizeof(double);
  case MPT_E_INT32:
    return sizeof(int32_t);
  case MPT_E_INT8:
  case MPT_E_STATUS:
  case MPT_E_SOLVER:
  case MPT_E_RULE:
    break;
  }
  return 1;
}

hid_t mpt_element_type(mpt_element element, mpt_type type) {
  switch (element) {
  case MPT_E_REAL:
    return H5Tcopy(mpt_real_size(type) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE);
  case MPT_E_SCALAR:
    return mpt_scalar_type(type);
  case MPT_E_DOUBLE:
    return H5Tcopy(H5T_NATIVE_DOUBLE);
  case MPT_E_INT32:
    return H5Tcopy(H5T_NATIVE_INT32);
  case MPT_E_STATUS:
    return status_type();
  case MPT_E_INT8:
    return H5Tcopy(H5T_NATIVE_INT8);
  case MPT_E_RULE:
    return enum_type(mpt_rule_names);
  case MPT_E_SOLVER:
    return enum_type(mpt_solver_names);
  }
  return H5I_INVALID_HID;
}
