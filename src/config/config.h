/* The job's config. One table of keys serves parsing, checking, --set, the resolved text and the
 * documentation. Not collective: rank 0 loads the config and shares the resolved text. */
#ifndef MPT_CONFIG_H
#define MPT_CONFIG_H

#include <multiplet/function.h>
#include "base/engine_id.h"
#include "base/quantity.h"

/* A function and the name of its output. */
typedef struct mpt_named_function {
  char *name;
  mpt_function function;
} mpt_named_function;

typedef struct mpt_config {
  char *input_file; /* absolute, as are all paths */
  char **datasets;  /* NULL: every dataset of square matrices */
  int64_t dataset_count;
  mpt_triangle triangle;
  bool eigenvectors;
  mpt_select select;
  mpt_engine_id solver; /* MPT_ENGINE_NONE: the planner chooses */
  struct mpt_functions_list {
    mpt_named_function *items;
    int64_t count;
  } functions;
  int64_t frame_index[2]; /* 0, 0: no frame */
  struct mpt_reference {
    char *file, *dataset; /* NULL: no frame */
  } reference;
  char *tangent;    /* NULL: no derivatives along directions */
  char *cotangents; /* NULL: no gradient */
  char *eigenpairs; /* NULL: solve */
  mpt_convention convention;
  double tolerance; /* relative to ||A||_2; 0: the uncertainty due to rounding */
  mpt_gauge_policy gauge_policy;
  mpt_spread_policy spread_policy;
  mpt_basis basis;
  int64_t seed;
  char *output_file;
  unsigned store;          /* MPT_STORE_* */
  int64_t distribute_from; /* 0: the planner decides */
  int64_t grid[2];         /* 0, 0: the planner decides */
  int64_t block;           /* 0: the engine decides */
  int64_t threads;
  double checkpoint_seconds;
  int sync;       /* false: no write waits for the disk */
  char *resolved; /* every key with its value, as YAML; two configs are equal if their texts are */
} mpt_config;

/* Reads the file, then applies the `key=value` overrides. Prints every error found, one line each,
 * as "file:line:column: multiplet: error: ..." (for an override "--set:number:column:"), and
 * returns MPT_BAD_USAGE; *config then holds nothing. The caller releases *config. */
mpt_code mpt_config_load(const char *path, const char *const *overrides, size_t override_count,
                         mpt_config *config);

/* The same from a text; relative paths in it are relative to `directory`, and errors go to
 * *errors. */
mpt_code mpt_config_from_text(const char *text, const char *directory, mpt_config *config,
                              mpt_text *errors);

/* Reads a resolved text back, on the ranks that did not read the file. */
mpt_code mpt_config_from_resolved(const char *resolved, mpt_config *config, mpt_error *error);

/* Reads the config text of a result; NULL where the result has none. The text of another version
 * may not be *known to this one; then *error tells why. MPT_NO_RESOURCE when memory is out. */
mpt_code mpt_config_of_result(const char *text, mpt_config *config, bool *known, mpt_error *error);

void mpt_config_release(mpt_config *config);

#endif
