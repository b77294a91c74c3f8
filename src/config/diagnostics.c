#include "config/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(mpt_diagnostics *diagnostics) {
  if (diagnostics->count < diagnostics->capacity) return true;
  size_t capacity = 2 * diagnostics->capacity + 8;
  mpt_diagnostic *grown = realloc(diagnostics->items, capacity * sizeof *grown);
  if (!grown) return false;
  diagnostics->items = grown;
  diagnostics->capacity = capacity;
  return true;
}

void mpt_diagnose(mpt_diagnostics *diagnostics, mpt_location place, const char *format, ...) {
  char line[1000];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  /* The text quotes the user's text, which may contain line breaks; an error is one line. */
  for (char *c = line; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  char *text = mpt_format("%s", line);
  if (!text || !make_room(diagnostics)) {
    free(text);
    diagnostics->exhausted = true;
    return;
  }
  size_t number = diagnostics->count++;
  diagnostics->items[number] = (mpt_diagnostic){place, number, text};
}

static int compare(const void *left, const void *right) {
  const mpt_diagnostic *a = left, *b = right;
  if (a->place.override != b->place.override) return a->place.override ? 1 : -1;
  if (a->place.line != b->place.line) return a->place.line < b->place.line ? -1 : 1;
  if (a->place.column != b->place.column) return a->place.column < b->place.column ? -1 : 1;
  return a->number < b->number ? -1 : 1;
}

void mpt_diagnostics_sort(mpt_diagnostics *diagnostics) {
  if (diagnostics->count)
    qsort(diagnostics->items, diagnostics->count, sizeof(mpt_diagnostic), compare);
}

/* The only error that is reported for a config that could not be read completely. */
static mpt_error exhaustion(void) {
  mpt_error error;
  mpt_no_memory("read the config", &error);
  return error;
}

void mpt_diagnostics_print(const mpt_diagnostics *diagnostics) {
  if (diagnostics->exhausted) {
    const mpt_error error = exhaustion();
    mpt_print_error(&error);
    return;
  }
  for (size_t k = 0; k < diagnostics->count; k++) {
    const mpt_location *place = &diagnostics->items[k].place;
    mpt_error error = {.code = MPT_BAD_USAGE};
    char where[4200];
    snprintf(where, sizeof where, "%s:%lld:%lld: ", place->source, (long long)place->line,
             (long long)place->column);
    strncpy(error.text, diagnostics->items[k].text, sizeof error.text - 1);
    mpt_print_error_at(where, &error);
  }
}

void mpt_diagnostics_write(const mpt_diagnostics *diagnostics, mpt_text *out) {
  for (size_t k = 0; k < diagnostics->count && !diagnostics->exhausted; k++) {
    const mpt_diagnostic *c = &diagnostics->items[k];
    mpt_text_add(out, "%sline %lld, column %lld: %s", k ? "; " : "", (long long)c->place.line,
                 (long long)c->place.column, c->text);
  }
  if (diagnostics->exhausted) mpt_text_add(out, "%s", exhaustion().text);
}

void mpt_diagnostics_release(mpt_diagnostics *diagnostics) {
  for (size_t k = 0; k < diagnostics->count; k++) free(diagnostics->items[k].text);
  free(diagnostics->items);
  *diagnostics = (mpt_diagnostics){0};
}
