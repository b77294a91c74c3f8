/* A table of text, printed with aligned columns. */
#ifndef MPT_TABLE_H
#define MPT_TABLE_H

#include "base/base.h"

/* The cells are row by row, the headings first. The first column is aligned left, the others right.
 * Start with {.columns = N}. */
typedef struct mpt_table {
  size_t columns, count, capacity;
  char **cells;
  bool exhausted; /* memory ran out: the table is not printed */
} mpt_table;

void mpt_table_add(mpt_table *table, const char *format, ...) MPT_PRINTF(2, 3);

/* Prints to standard output, without columns that are empty below their heading. Prints nothing if
 * memory ran out while the table was filled. */
mpt_code mpt_table_print(const mpt_table *table, mpt_error *error);
void mpt_table_release(mpt_table *table);

#endif
