/* Engines by number and name: the words of solve.solver, the values of diagnostics/solver, and
 * mpt_engine.id. Existing numbers do not change. */
#ifndef MPT_ENGINE_ID_H
#define MPT_ENGINE_ID_H

#define MPT_ENGINES(ENGINE)                                                                        \
  ENGINE(MPT_ENGINE_LAPACK, "lapack")                                                              \
  ENGINE(MPT_ENGINE_SCALAPACK, "scalapack")                                                        \
  ENGINE(MPT_ENGINE_LANES, "lanes")

typedef enum mpt_engine_id {
  MPT_ENGINE_NONE, /* no engine yet, or one still to be chosen */
#define ENGINE_ID(id, name) id,
  MPT_ENGINES(ENGINE_ID)
#undef ENGINE_ID
      MPT_ENGINE_COUNT
} mpt_engine_id;

#endif
