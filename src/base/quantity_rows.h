/* Every array of a batch, a job or a result file, one row each, and the words of output.store.
 * quantity.h explains the members of a row.
 *
 * Include this with STORE_WORD(name, word) or QUANTITY(name, members...) defined. The order is that
 * of the arrays in mpt_batch, then in mpt_function_arrays, then the numbers of reports, then those
 * that the job itself knows. */
#ifdef STORE_WORD
STORE_WORD(MPT_STORE_EIGENVALUES, "eigenvalues")
STORE_WORD(MPT_STORE_EIGENVECTORS, "eigenvectors")
STORE_WORD(MPT_STORE_FUNCTIONS, "functions")
STORE_WORD(MPT_STORE_FRAME, "frame")
STORE_WORD(MPT_STORE_GRADIENT, "gradient")
STORE_WORD(MPT_STORE_DIAGNOSTICS, "diagnostics")
STORE_WORD(MPT_STORE_FACTOR, "factor")
#undef STORE_WORD
#endif

#ifdef QUANTITY

/* Quantities of a batch. */

QUANTITY(MPT_MATRIX, .extent = MPT_SQUARE, .element = MPT_E_SCALAR, .role = MPT_GIVEN,
         .source = MPT_FROM_INPUT, .wanted = MPT_FOR_ALL)

QUANTITY(MPT_EIGENVALUES, .name = "eigenvalues", .meaning = "ascending",
         .extent = MPT_PER_EIGENVALUE, .element = MPT_E_REAL, .role = MPT_PAIRS,
         .source = MPT_FROM_EIGENPAIRS, .wanted = MPT_FOR_ALL, .store = MPT_STORE_EIGENVALUES)

QUANTITY(MPT_EIGENVECTORS, .name = "eigenvectors", .meaning = "column j is vector j",
         .extent = MPT_VECTORS, .element = MPT_E_SCALAR, .role = MPT_PAIRS,
         .source = MPT_FROM_EIGENPAIRS, .wanted = MPT_FOR_VECTORS, .store = MPT_STORE_EIGENVECTORS)

QUANTITY(MPT_COTANGENT_EIGENVALUES, .name = "eigenvalues", .extent = MPT_PER_EIGENVALUE,
         .element = MPT_E_REAL, .role = MPT_GIVEN, .source = MPT_FROM_COTANGENTS)

QUANTITY(MPT_COTANGENT_EIGENVECTORS, .name = "eigenvectors", .extent = MPT_VECTORS,
         .element = MPT_E_SCALAR, .role = MPT_GIVEN, .source = MPT_FROM_COTANGENTS)

QUANTITY(MPT_GRADIENT, .name = "gradient", .meaning = "dL = Re tr(G^H dA)", .extent = MPT_SQUARE,
         .element = MPT_E_SCALAR, .role = MPT_DERIVED, .wanted = MPT_FOR_GRADIENT,
         .store = MPT_STORE_GRADIENT)

QUANTITY(MPT_MULTIPLET, .name = "multiplet",
         .meaning = "number of the multiplet that each eigenvalue belongs to",
         .extent = MPT_PER_EIGENVALUE, .element = MPT_E_INT32, .role = MPT_MADE,
         .wanted = MPT_FOR_ALL, .store = MPT_STORE_ALWAYS)

QUANTITY(MPT_FOUND, .name = "found", .meaning = "how many eigenvalues lie in the range",
         .extent = MPT_ONE, .element = MPT_E_INT32, .role = MPT_MADE, .wanted = MPT_FOR_RANGE,
         .store = MPT_STORE_ALWAYS)

QUANTITY(MPT_REFERENCE, .extent = MPT_FRAME_COLUMNS, .element = MPT_E_SCALAR, .role = MPT_GIVEN,
         .source = MPT_FROM_REFERENCE, .wanted = MPT_FOR_FRAME)

QUANTITY(MPT_FRAME, .name = "frame", .meaning = "P R (R^H P R)^(-1/2)", .extent = MPT_FRAME_COLUMNS,
         .element = MPT_E_SCALAR, .role = MPT_MADE, .wanted = MPT_FOR_FRAME,
         .store = MPT_STORE_FRAME)

QUANTITY(MPT_COTANGENT_FRAME, .name = "frame", .extent = MPT_FRAME_COLUMNS, .element = MPT_E_SCALAR,
         .role = MPT_GIVEN, .source = MPT_FROM_COTANGENTS)

QUANTITY(MPT_GRADIENT_REFERENCE, .name = "gradient_reference",
         .meaning = "the same by the frame's reference R", .extent = MPT_FRAME_COLUMNS,
         .element = MPT_E_SCALAR, .role = MPT_DERIVED, .wanted = MPT_FOR_FRAME_GRADIENT,
         .store = MPT_STORE_GRADIENT)

QUANTITY(MPT_DIRECTION, .extent = MPT_SQUARE, .element = MPT_E_SCALAR, .role = MPT_GIVEN,
         .source = MPT_FROM_DIRECTIONS)

QUANTITY(MPT_REFLECTORS, .name = "factor/reflectors",
         .meaning = "of Q in conj(A) = Q T Q^H, as LAPACK's ?hetrd('L') leaves them",
         .extent = MPT_SQUARE, .element = MPT_E_SCALAR, .role = MPT_MADE,
         .source = MPT_FROM_EIGENPAIRS, .wanted = MPT_FOR_FACTOR, .store = MPT_STORE_FACTOR)

QUANTITY(MPT_TAU, .name = "factor/tau", .meaning = "their factors", .extent = MPT_PER_ROW,
         .element = MPT_E_SCALAR, .role = MPT_MADE, .source = MPT_FROM_EIGENPAIRS,
         .wanted = MPT_FOR_FACTOR, .store = MPT_STORE_FACTOR)

QUANTITY(MPT_DIAGONAL, .name = "factor/diagonal", .meaning = "of T", .extent = MPT_PER_ROW,
         .element = MPT_E_REAL, .role = MPT_MADE, .source = MPT_FROM_EIGENPAIRS,
         .wanted = MPT_FOR_FACTOR, .store = MPT_STORE_FACTOR)

QUANTITY(MPT_OFFDIAGONAL, .name = "factor/offdiagonal", .meaning = "of T, and a zero",
         .extent = MPT_PER_ROW, .element = MPT_E_REAL, .role = MPT_MADE,
         .source = MPT_FROM_EIGENPAIRS, .wanted = MPT_FOR_FACTOR, .store = MPT_STORE_FACTOR)

QUANTITY(MPT_SPECTRUM, .name = "factor/eigenvalues", .meaning = "of T, all of them",
         .extent = MPT_PER_ROW, .element = MPT_E_REAL, .role = MPT_MADE,
         .source = MPT_FROM_EIGENPAIRS, .wanted = MPT_FOR_FACTOR, .store = MPT_STORE_FACTOR)

QUANTITY(MPT_TANGENT_EIGENVALUES, .name = "tangent/eigenvalues",
         .meaning = "derivatives along the direction", .extent = MPT_PER_EIGENVALUE,
         .element = MPT_E_REAL, .role = MPT_MADE, .wanted = MPT_FOR_TANGENT,
         .store = MPT_STORE_ALWAYS)

QUANTITY(MPT_TANGENT_EIGENVECTORS, .name = "tangent/eigenvectors",
         .meaning = "derivatives along the direction, parallel gauge", .extent = MPT_VECTORS,
         .element = MPT_E_SCALAR, .role = MPT_MADE, .wanted = MPT_FOR_TANGENT_VECTORS,
         .store = MPT_STORE_ALWAYS)

/* Quantities of each function of a batch. */

QUANTITY(MPT_FUNCTION, .name = "functions/", .meaning = "f(A)", .extent = MPT_SQUARE,
         .element = MPT_E_SCALAR, .role = MPT_MADE, .wanted = MPT_FOR_FUNCTIONS,
         .store = MPT_STORE_FUNCTIONS)

QUANTITY(MPT_COTANGENT_FUNCTION, .name = "functions/", .extent = MPT_SQUARE,
         .element = MPT_E_SCALAR, .role = MPT_GIVEN, .source = MPT_FROM_COTANGENTS)

QUANTITY(MPT_TANGENT_FUNCTION, .name = "tangent/functions/",
         .meaning = "derivatives along the direction", .extent = MPT_SQUARE,
         .element = MPT_E_SCALAR, .role = MPT_MADE, .wanted = MPT_FOR_TANGENT,
         .store = MPT_STORE_ALWAYS)

QUANTITY(MPT_CHEMICAL_POTENTIAL, .name = "diagnostics/chemical_potential/",
         .meaning = "mu at the fixed electron number", .extent = MPT_ONE, .element = MPT_E_DOUBLE,
         .role = MPT_MADE, .wanted = MPT_FOR_POTENTIAL, .store = MPT_STORE_DIAGNOSTICS)

/* Quantities of reports. */

#define OF_REPORT(of, kind)                                                                        \
  .extent = MPT_ONE, .element = (kind), .role = MPT_REPORTED, .member = #of,                       \
  .report = offsetof(mpt_report, of)

QUANTITY(MPT_STATUS, .name = "status", .meaning = "what became of the problem",
         OF_REPORT(status, MPT_E_STATUS), .wanted = MPT_FOR_ALL, .store = MPT_STORE_ALWAYS)

QUANTITY(MPT_LARGEST, .name = "largest", .meaning = "largest |Re|, |Im| of the matrix",
         OF_REPORT(largest, MPT_E_DOUBLE))

QUANTITY(MPT_RESIDUAL, .name = "diagnostics/residual",
         .meaning = "|A V x - V (w o x)| / (n eps |A| |x|)", OF_REPORT(residual, MPT_E_DOUBLE),
         .wanted = MPT_FOR_VECTORS, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_ORTHOGONALITY, .name = "diagnostics/orthogonality",
         .meaning = "|V^H V x - x| / (n eps |x|)", OF_REPORT(orthogonality, MPT_E_DOUBLE),
         .wanted = MPT_FOR_VECTORS, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_MIN_GAP, .name = "diagnostics/min_gap",
         .meaning = "smallest gap between multiplets / |A|", OF_REPORT(min_gap, MPT_E_DOUBLE),
         .wanted = MPT_FOR_ALL, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_GAUGE_VIOLATION, .name = "diagnostics/gauge_violation",
         .meaning = "how much the loss depends on the basis inside a multiplet, 0 to 1",
         OF_REPORT(gauge_violation, MPT_E_DOUBLE), .wanted = MPT_FOR_GRADIENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_COTANGENT_SPREAD, .name = "diagnostics/cotangent_spread",
         .meaning = "spread of eigenvalue cotangents inside a multiplet / max|gw|",
         OF_REPORT(cotangent_spread, MPT_E_DOUBLE), .wanted = MPT_FOR_GRADIENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_GRADIENT_ERROR, .name = "diagnostics/gradient_error",
         .meaning = "estimated relative error of the gradient",
         OF_REPORT(gradient_error, MPT_E_DOUBLE), .wanted = MPT_FOR_GRADIENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_FRAME_CONDITION, .name = "diagnostics/frame_condition",
         .meaning = "how near the frame's reference comes to missing the subspace",
         OF_REPORT(frame_condition, MPT_E_DOUBLE), .wanted = MPT_FOR_FRAME,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_TANGENT_SPLITTING, .name = "diagnostics/tangent_splitting",
         .meaning = "how much the direction splits multiplets, 0 to 1",
         OF_REPORT(tangent_splitting, MPT_E_DOUBLE), .wanted = MPT_FOR_TANGENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_TANGENT_ERROR, .name = "diagnostics/tangent_error",
         .meaning = "estimated relative error of the derivatives along the direction",
         OF_REPORT(tangent_error, MPT_E_DOUBLE), .wanted = MPT_FOR_TANGENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_OUTPUT_RESIDUAL, .name = "diagnostics/output_residual",
         .meaning = "of what was made of the eigenpairs against its own factors",
         OF_REPORT(output_residual, MPT_E_DOUBLE),
         .wanted = MPT_FOR_GRADIENT | MPT_FOR_FUNCTIONS | MPT_FOR_FRAME | MPT_FOR_TANGENT,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_GRADIENT_RULE, .name = "diagnostics/gradient_rule",
         .meaning = "what carried the gradient through equal and near eigenvalues",
         OF_REPORT(rule, MPT_E_RULE), .wanted = MPT_FOR_GRADIENT, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_RETRIED, .name = "diagnostics/retried",
         .meaning = "whether the first solution failed its check and the reference solved it",
         OF_REPORT(retried, MPT_E_INT8), .wanted = MPT_FOR_ALL, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_FIRST_FAILED, .name = "first_failed", .meaning = "the check that it failed",
         OF_REPORT(first_failed, MPT_E_INT8))

QUANTITY(MPT_FIRST_DECADE, .name = "first_decade", .meaning = "the power of ten of its value",
         OF_REPORT(first_decade, MPT_E_INT8))

QUANTITY(MPT_REFUSED, .name = "refused", .meaning = "whether a policy refused the gradient",
         OF_REPORT(refused, MPT_E_INT32))

QUANTITY(MPT_SECONDS, .name = "diagnostics/seconds",
         .meaning = "seconds of solving and differentiating", OF_REPORT(seconds, MPT_E_DOUBLE),
         .wanted = MPT_FOR_ALL, .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_NULL_VIOLATION, .name = "diagnostics/null_violation",
         .meaning = "how much the loss moves eigenvalues that are zero, 0 to 1",
         OF_REPORT(null_violation, MPT_E_DOUBLE), .wanted = MPT_FOR_FUNCTIONS,
         .store = MPT_STORE_DIAGNOSTICS)

/* Quantities of the job. */

QUANTITY(MPT_STARTED, .name = "diagnostics/started", .meaning = "when that began",
         .extent = MPT_ONE, .element = MPT_E_DOUBLE, .role = MPT_KNOWN, .wanted = MPT_FOR_ALL,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_SOLVER, .name = "diagnostics/solver", .meaning = "who solved it", .extent = MPT_ONE,
         .element = MPT_E_SOLVER, .role = MPT_KNOWN, .wanted = MPT_FOR_ALL,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_RANKS, .name = "diagnostics/ranks", .meaning = "how many ranks solved it",
         .extent = MPT_ONE, .element = MPT_E_INT32, .role = MPT_KNOWN, .wanted = MPT_FOR_ALL,
         .store = MPT_STORE_DIAGNOSTICS)

QUANTITY(MPT_RANK, .name = "diagnostics/rank", .meaning = "which, or the first of them",
         .extent = MPT_ONE, .element = MPT_E_INT32, .role = MPT_KNOWN, .wanted = MPT_FOR_ALL,
         .store = MPT_STORE_DIAGNOSTICS)

#undef OF_REPORT
#undef QUANTITY
#endif
