/* Any bytes as a config: it is refused, or its resolved text reads back as itself. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mpt_config config = {0}, again = {0};
  mpt_text errors = {0};
  mpt_error error = {0};
  char *text = fuzz_text(data, size);
  const mpt_code code = mpt_config_from_text(text, "/tmp", &config, &errors);
  expect(code == MPT_DONE || (code == MPT_BAD_USAGE && errors.length > 0));
  expect(!errors.data || strstr(text, "null") || !strstr(errors.data, "(null)"));
  if (code == MPT_DONE) {
    expect(mpt_config_from_resolved(config.resolved, &again, &error) == MPT_DONE);
    expect(!strcmp(config.resolved, again.resolved));
  }
  mpt_config_release(&config);
  mpt_config_release(&again);
  mpt_text_release(&errors);
  free(text);
  return 0;
}
