/* Errors with a place, collected so that a config's errors are all reported at once. */
#ifndef MPT_COMPLAINT_H
#define MPT_COMPLAINT_H

#include "base/base.h"

/* Where something stands: in a file, or in the line-th --set of the command line. */
typedef struct mpt_place {
  const char *source; /* the file as the user named it, or "--set"; borrowed */
  bool override;      /* sorts after the file */
  int64_t line, column;
} mpt_place;

typedef struct mpt_complaint {
  mpt_place place;
  size_t number; /* order of finding */
  char *text;
} mpt_complaint;

/* Start it with {0}. */
typedef struct mpt_complaints {
  mpt_complaint *items;
  size_t count, capacity;
  bool exhausted; /* memory ran out */
} mpt_complaints;

void mpt_complain(mpt_complaints *complaints, mpt_place place, const char *format, ...)
    MPT_PRINTF(3, 4);
void mpt_complaints_sort(mpt_complaints *complaints);

/* One line each on standard error: "source:line:column: multiplet: error: text". */
void mpt_complaints_print(const mpt_complaints *complaints);

/* The same into a text, "line:column: text" one after the other, for who has no terminal. */
void mpt_complaints_write(const mpt_complaints *complaints, mpt_text *out);
void mpt_complaints_release(mpt_complaints *complaints);

#endif
