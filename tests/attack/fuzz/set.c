/* Any lines as --set overrides of a good config. */
#include <unistd.h>
#include "fuzz.h"

enum { MOST = 16 };

static const char *base(void) {
  static char path[64];
  if (*path) return path;
  snprintf(path, sizeof path, "/tmp/multiplet-fuzz-%d.yaml", (int)getpid());
  FILE *file = fopen(path, "w");
  expect(file && fputs("input: {file: in.h5}\noutput: {file: out.h5}\n", file) >= 0);
  fclose(file);
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mpt_config config = {0};
  const char *overrides[MOST];
  size_t count = 0;
  char *text = fuzz_text(data, size);
  for (char *line = strtok(text, "\n"); line && count < MOST; line = strtok(NULL, "\n"))
    overrides[count++] = line;
  const mpt_code code = mpt_config_load(base(), overrides, count, &config);
  expect(code == MPT_DONE || code == MPT_BAD_USAGE);
  expect((code == MPT_DONE) == (config.resolved != NULL));
  mpt_config_release(&config);
  free(text);
  return 0;
}
