/* Any bytes as a request: its answer is one YAML mapping whose last key is the service's outcome,
 * and what was a comment stays one. */
#include <yaml.h>
#include "serve/answer.h"
#include "fuzz.h"

/* The keys of the one document's mapping, at most two of them by name; -1: it is no such thing. */
static int keys_of(const char *text, char last[16]) {
  yaml_parser_t parser;
  yaml_event_t event;
  int depth = 0, scalars = 0, documents = 0;
  bool ends = false, good = yaml_parser_initialize(&parser);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  while (good && !ends) {
    good = yaml_parser_parse(&parser, &event);
    if (!good) break;
    const yaml_event_type_t type = event.type;
    ends = type == YAML_STREAM_END_EVENT;
    documents += type == YAML_DOCUMENT_START_EVENT;
    const bool opens = type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
    const bool closes = type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
    depth -= closes;
    if (depth == 1 && (closes || type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT)) {
      if (scalars++ % 2 == 0)
        snprintf(last, 16, "%s", type == YAML_SCALAR_EVENT ? (char *)event.data.scalar.value : "");
    }
    depth += opens;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return good && documents == 1 ? scalars / 2 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const mpt_spool spool = {.path = "/tmp/spool", .lock = -1, .watch = -1};
  mpt_request request = {.name = NULL, .text = fuzz_text(data, size)};
  mpt_text out = {0};
  char last[16] = "";
  mpt_request_parse(&spool, &request);
  expect(request.loaded == (request.job.code == MPT_DONE));
  mpt_answer_write(&request, true, &out);
  const int keys = out.data ? keys_of(out.data, last) : -1;
  if (keys < 1 || strcmp(last, "outcome")) fprintf(stderr, "%s\n", out.data ? out.data : "nothing");
  expect(keys >= 1 && !strcmp(last, "outcome"));
  expect(request.loaded || keys == 1);
  mpt_text_release(&out);
  mpt_request_release(&request);
  return 0;
}
