/* Hermitian matrices from physics and with known spectra, generated row by row, for `multiplet
 * sample`. */
#ifndef MPT_MODELS_H
#define MPT_MODELS_H

#include <complex.h>
#include "base/base.h"

typedef struct mpt_model_options {
  int64_t batch;                 /* -1: the model's default */
  int64_t sites, sector;         /* heisenberg; sector -1: all states */
  int64_t grid, cells;           /* tight-binding */
  int64_t dimension;             /* hypercube */
  int64_t n, seed, multiplicity; /* random */
} mpt_model_options;

/* Bits of mpt_model.takes: the options that the model uses. */
enum {
  MPT_TAKES_BATCH = 1,
  MPT_TAKES_SITES = 2,
  MPT_TAKES_SECTOR = 4,
  MPT_TAKES_GRID = 8,
  MPT_TAKES_CELLS = 16,
  MPT_TAKES_DIMENSION = 32,
  MPT_TAKES_N = 64,
  MPT_TAKES_SEED = 128,
  MPT_TAKES_MULTIPLICITY = 256
};

typedef struct mpt_model_state {
  mpt_model_options options;
  mpt_type type;
  int64_t batch, n;
  int64_t *basis;                      /* heisenberg: the states as bits, ascending */
  double complex *matrix;              /* random: [n, n], of problem `held` */
  double complex *reflector, *product; /* random: [n] */
  int64_t held;
} mpt_model_state;

typedef struct mpt_model {
  const char *name;
  unsigned takes;
  mpt_type type;   /* the default type */
  bool is_complex; /* real types cannot represent it */
  /* Sets batch and n, and prepares for row(). */
  mpt_code (*start)(mpt_model_state *state, mpt_error *error);
  /* Writes row i of problem b into row [n], which the caller has set to zero. */
  void (*row)(mpt_model_state *state, int64_t b, int64_t i, double complex *row);
  const char *spectrum; /* description and closed form */
} mpt_model;

extern const mpt_model mpt_models[];
extern const size_t mpt_model_count;

/* Adds all names, separated by commas. */
void mpt_model_names(mpt_text *out);

/* The model with that name; NULL, with an error that names the nearest. */
const mpt_model *mpt_model_find(const char *name, mpt_error *error);

mpt_code mpt_random_start(mpt_model_state *state, mpt_error *error);
void mpt_random_row(mpt_model_state *state, int64_t b, int64_t i, double complex *row);

void mpt_model_release(mpt_model_state *state);

#endif
