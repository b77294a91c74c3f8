/* Errors with their places. They are collected so that all errors of a config are reported at
 * once. */
#ifndef MPT_DIAGNOSTICS_H
#define MPT_DIAGNOSTICS_H

#include "base/base.h"

/* A place in a file, or in one of the command line's --set, whose number is `line`. */
typedef struct mpt_location {
  const char *source; /* the file as the user named it, or "--set"; borrowed */
  bool override;      /* sorts after places in files */
  int64_t line, column;
} mpt_location;

typedef struct mpt_diagnostic {
  mpt_location place;
  size_t number; /* order in which it was found */
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

/* Prints one line each on standard error: "source:line:column: multiplet: error: text". */
void mpt_diagnostics_print(const mpt_diagnostics *diagnostics);

/* Writes them into a text, "line:column: text" one after the other, for callers without a
 * terminal. */
void mpt_diagnostics_write(const mpt_diagnostics *diagnostics, mpt_text *out);
void mpt_diagnostics_release(mpt_diagnostics *diagnostics);

#endif
