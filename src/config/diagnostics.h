/* Errors with a place, collected so that a config's errors are all reported at once. */
#ifndef MPT_DIAGNOSTICS_H
#define MPT_DIAGNOSTICS_H

#include "base/base.h"

/* Where something stands: in a file, or in the line-th --set of the command line. */
typedef struct mpt_location {
  const char *source; /* the file as the user named it, or "--set"; borrowed */
  bool override;      /* sorts after the file */
  int64_t line, column;
} mpt_location;

typedef struct mpt_diagnostic {
  mpt_location place;
  size_t number; /* order of finding */
  char *text;
} mpt_diagnostic;

/* Start it with {0}. */
typedef struct mpt_diagnostics {
  mpt_diagnostic *items;
  size_t count, capacity;
  bool exhausted; /* memory ran out */
} mpt_diagnostics;

void mpt_diagnose(mpt_diagnostics *diagnostics, mpt_location place, const char *format, ...)
    MPT_PRINTF(3, 4);
void mpt_diagnostics_sort(mpt_diagnostics *diagnostics);

/* One line each on standard error: "source:line:column: multiplet: error: text". */
void mpt_diagnostics_print(const mpt_diagnostics *diagnostics);

/* The same into a text, "line:column: text" one after the other, for who has no terminal. */
void mpt_diagnostics_write(const mpt_diagnostics *diagnostics, mpt_text *out);
void mpt_diagnostics_release(mpt_diagnostics *diagnostics);

#endif
