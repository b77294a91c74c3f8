#include "config/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(mpt_complaints *complaints) {
  if (complaints->count < complaints->capacity) return true;
  size_t capacity = 2 * complaints->capacity + 8;
  mpt_complaint *grown = realloc(complaints->items, capacity * sizeof *grown);
  if (!grown) return false;
  complaints->items = grown;
  complaints->capacity = capacity;
  return true;
}

void mpt_complain(mpt_complaints *complaints, mpt_place place, const char *format, ...) {
  char line[1000];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  /* The text quotes what the user wrote, and an error is one line. */
  for (char *c = line; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  char *text = mpt_format("%s", line);
  if (!text || !make_room(complaints)) {
    free(text);
    complaints->exhausted = true;
    return;
  }
  size_t number = complaints->count++;
  complaints->items[number] = (mpt_complaint){place, number, text};
}

static int compare(const void *left, const void *right) {
  const mpt_complaint *a = left, *b = right;
  if (a->place.override != b->place.override) return a->place.override ? 1 : -1;
  if (a->place.line != b->place.line) return a->place.line < b->place.line ? -1 : 1;
  if (a->place.column != b->place.column) return a->place.column < b->place.column ? -1 : 1;
  return a->number < b->number ? -1 : 1;
}

void mpt_complaints_sort(mpt_complaints *complaints) {
  if (complaints->count)
    qsort(complaints->items, complaints->count, sizeof(mpt_complaint), compare);
}

/* Of a config that was not read whole, nothing else can be said. */
static mpt_error exhaustion(void) {
  mpt_error error;
  mpt_no_memory("read the config", &error);
  return error;
}

void mpt_complaints_print(const mpt_complaints *complaints) {
  if (complaints->exhausted) {
    const mpt_error error = exhaustion();
    mpt_print_error(&error);
    return;
  }
  for (size_t k = 0; k < complaints->count; k++) {
    const mpt_place *place = &complaints->items[k].place;
    mpt_error error = {.code = MPT_BAD_USAGE};
    char where[4200];
    snprintf(where, sizeof where, "%s:%lld:%lld: ", place->source, (long long)place->line,
             (long long)place->column);
    strncpy(error.text, complaints->items[k].text, sizeof error.text - 1);
    mpt_print_error_at(where, &error);
  }
}

void mpt_complaints_write(const mpt_complaints *complaints, mpt_text *out) {
  for (size_t k = 0; k < complaints->count && !complaints->exhausted; k++) {
    const mpt_complaint *c = &complaints->items[k];
    mpt_text_add(out, "%sline %lld, column %lld: %s", k ? "; " : "", (long long)c->place.line,
                 (long long)c->place.column, c->text);
  }
  if (complaints->exhausted) mpt_text_add(out, "%s", exhaustion().text);
}

void mpt_complaints_release(mpt_complaints *complaints) {
  for (size_t k = 0; k < complaints->count; k++) free(complaints->items[k].text);
  free(complaints->items);
  *complaints = (mpt_complaints){0};
}
