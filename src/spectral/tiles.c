#include "spectral/tiles.h"

#include <math.h>
#include "base/scalar.h"

#define WORKER "spectral/tiles_worker.h"
#include "base/for_each_type.h"

void mpt_function_tile(mpt_type type, mpt_function_step *step, const mpt_tile *tile) {
  static void (*const table[])(mpt_function_step *, const mpt_tile *) = WORKER_TABLE(function_tile);
  table[type](step, tile);
}

void mpt_frame_tile(mpt_type type, const mpt_frame_step *step, const mpt_tile *tile,
                    double *noise2) {
  static void (*const table[])(const mpt_frame_step *, const mpt_tile *, double *) =
      WORKER_TABLE(frame_tile);
  table[type](step, tile, noise2);
}

void mpt_tangent_tile(mpt_type type, mpt_tangent_step *step, const mpt_tile *tile) {
  static void (*const table[])(mpt_tangent_step *, const mpt_tile *) = WORKER_TABLE(tangent_tile);
  table[type](step, tile);
}

void mpt_start_sum(mpt_type type, const mpt_tile *tile) {
  static void (*const table[])(const mpt_tile *) = WORKER_TABLE(start_sum);
  table[type](tile);
}

void mpt_start_diagonal(mpt_type type, const mpt_tile *tile, const double *d) {
  static void (*const table[])(const mpt_tile *, const double *) = WORKER_TABLE(start_diagonal);
  table[type](tile, d);
}

void mpt_rows_into_basis(mpt_type type, int64_t rows, const mpt_spectral_frame *frame,
                         const void *v, const void *reference, mpt_wide *r) {
  static void (*const table[])(int64_t, const mpt_spectral_frame *, const void *, const void *,
                               mpt_wide *) = WORKER_TABLE(rows_into_basis);
  table[type](rows, frame, v, reference, r);
}

void mpt_rows_out_of_basis(mpt_type type, int64_t rows, const mpt_spectral_frame *frame,
                           const void *v, const mpt_wide *c, void *out) {
  static void (*const table[])(int64_t, const mpt_spectral_frame *, const void *, const mpt_wide *,
                               void *) = WORKER_TABLE(rows_out_of_basis);
  table[type](rows, frame, v, c, out);
}

void mpt_doubles_to_real(mpt_type type, int64_t count, const double *in, void *reals) {
  static void (*const table[])(int64_t, const double *, void *) = WORKER_TABLE(doubles_to_real);
  table[type](count, in, reals);
}

void mpt_tile_norm(mpt_type type, const mpt_tile *tile, double unit, double *norm2) {
  static void (*const table[])(const mpt_tile *, double, double *) = WORKER_TABLE(tile_norm);
  table[type](tile, unit, norm2);
}

void mpt_tile_diagonal(mpt_type type, const mpt_tile *tile, double *diagonal) {
  static void (*const table[])(const mpt_tile *, double *) = WORKER_TABLE(tile_diagonal);
  table[type](tile, diagonal);
}
