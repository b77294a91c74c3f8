#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(mpt_table *table) {
  if (table->count < table->capacity) return true;
  size_t capacity = 2 * table->capacity + 64;
  char **grown = realloc(table->cells, sizeof *grown * capacity);
  if (!grown) return false;
  table->cells = grown;
  table->capacity = capacity;
  return true;
}

void mpt_table_add(mpt_table *table, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  char *cell = make_room(table) ? mpt_format("%s", text) : NULL;
  if (cell)
    table->cells[table->count++] = cell;
  else
    table->exhausted = true;
}

/* The width of a column's widest cell; 0 when all cells below the heading are empty. */
static int width_of(const mpt_table *table, size_t column) {
  size_t widest = 0, heading = 0;
  for (size_t k = column; k < table->count; k += table->columns) {
    size_t length = strlen(table->cells[k]);
    if (k == column)
      heading = length;
    else if (length > widest)
      widest = length;
  }
  return (int)(widest == 0 ? 0 : widest > heading ? widest : heading);
}

/* Prints one row; padding is printed only before a cell that has text. */
static void print_row(char *const *cells, size_t columns, const int *width) {
  int owed = 2; /* blanks */
  for (size_t c = 0; c < columns; c++) {
    const int length = (int)strlen(cells[c]);
    if (c > 0 && !width[c]) continue;
    if (c > 0) owed += 2 + width[c] - length;
    if (length) {
      printf("%*s%s", owed, "", cells[c]);
      owed = 0;
    }
    if (c == 0) owed += width[0] - length;
  }
  printf("\n");
}

mpt_code mpt_table_print(const mpt_table *table, mpt_error *error) {
  int *width = table->exhausted ? NULL : mpt_alloc((int64_t)table->columns, sizeof *width);
  if (!width) return mpt_no_memory("print a table", error);
  for (size_t c = 0; c < table->columns; c++) width[c] = width_of(table, c);
  for (size_t k = 0; k + table->columns <= table->count; k += table->columns)
    print_row(table->cells + k, table->columns, width);
  free(width);
  return MPT_DONE;
}

void mpt_table_release(mpt_table *table) {
  for (size_t k = 0; k < table->count; k++) free(table->cells[k]);
  free(table->cells);
  *table = (mpt_table){0};
}
