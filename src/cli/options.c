/* Parsing arguments by a subcommand's table of options (cli.h), and printing help from it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 24, HELP_WIDTH = 96, MAX_OPTIONS = 64 };

/* Prints one line of text, folded at word boundaries and indented to `column`; the cursor is at
 * `at`. Returns the end of that line in the text. */
static const char *print_folded(const char *text, int at, int column) {
  while (*text && *text != '\n') {
    int length = (int)strcspn(text, " \n");
    if (at > column && at + 1 + length > HELP_WIDTH) {
      printf("\n%*s", column, "");
      at = column;
    } else if (at > column) {
      at += printf(" ");
    } else {
      at += printf("%*s", column - at, "");
    }
    at += printf("%.*s", length, text);
    text += length;
    text += *text == ' ';
  }
  printf("\n");
  return text;
}

static void print_option(const char *name, const char *value, const char *help) {
  int at = printf("  %s%s%s", name, value ? " " : "", value ? value : "");
  if (at >= HELP_COLUMN) {
    printf("\n");
    at = 0;
  }
  print_folded(help, at, HELP_COLUMN);
}

static void print_details(const char *text) {
  printf("\n");
  while (*text) {
    int indent = (int)strspn(text, " ");
    text = print_folded(text + indent, 0, indent);
    text += *text == '\n';
  }
}

static void print_usage(const mpt_usage *usage) {
  printf("usage: multiplet %s %s%s\n\n", usage->command, usage->arguments,
         usage->option_count ? " [options]" : "");
  print_folded(usage->summary, 0, 0);
  printf("\noptions:\n");
  for (size_t k = 0; k < usage->option_count; k++)
    print_option(usage->options[k].name, usage->options[k].value, usage->options[k].help);
  print_option("--help", NULL, "print this and exit");
  if (usage->details) print_details(usage->details);
}

static mpt_usage_teller *usage_teller = print_usage;

void mpt_tell_usages(const mpt_subcommand *commands, int count, mpt_usage_teller *teller) {
  char name[32], help[] = "--help", *arguments[] = {name, help, NULL};
  usage_teller = teller;
  for (int k = 0; k < count; k++) {
    snprintf(name, sizeof name, "%s", commands[k].name);
    commands[k].run(2, arguments);
  }
  usage_teller = print_usage;
}

static mpt_code unknown_option(const mpt_usage *usage, const char *argument, mpt_error *error) {
  const char *names[MAX_OPTIONS];
  char name[65];
  size_t count = 0;
  for (size_t k = 0; k < usage->option_count && count < MAX_OPTIONS - 1; k++)
    names[count++] = usage->options[k].name;
  names[count++] = "--help";
  snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
  const char *nearest = mpt_nearest_name(name, names, count);
  if (nearest)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "unknown option '%s': multiplet %s has no such option (did you mean '%s'?)",
                    name, usage->command, nearest);
  return mpt_fail(error, MPT_BAD_USAGE,
                  "unknown option '%s': multiplet %s has no such option "
                  "(multiplet %s --help lists them)",
                  name, usage->command, usage->command);
}

/* The option's index, or -1. *value is the text after "=", or the rest of a short option. */
static int find_option(const mpt_usage *usage, const char *argument, const char **value) {
  for (size_t k = 0; k < usage->option_count; k++) {
    const char *name = usage->options[k].name;
    size_t length = strlen(name);
    if (strncmp(argument, name, length)) continue;
    *value = argument[length] ? argument + length + (argument[length] == '=') : NULL;
    if (!argument[length] || argument[length] == '=' || length == 2) return (int)k;
  }
  return -1;
}

static mpt_code take_option(const mpt_usage *usage, int argc, char **argv, int *at,
                            mpt_option_handler *handler, void *context, mpt_error *error) {
  const char *value = NULL;
  int index = find_option(usage, argv[*at], &value);
  if (index < 0) return unknown_option(usage, argv[*at], error);
  const mpt_option *option = &usage->options[index];
  if (!option->value && value)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%s': option '%s' takes no value (write %s alone)", argv[*at],
                    option->name, option->name);
  if (option->value && !value) {
    if (*at + 1 == argc)
      return mpt_fail(error, MPT_BAD_USAGE,
                      "cannot use option '%s': its value is missing (write %s %s)", option->name,
                      option->name, option->value);
    value = argv[++*at];
  }
  return handler(context, index, value, error);
}

mpt_code mpt_parse_options(const mpt_usage *usage, int argc, char **argv,
                           mpt_option_handler *handler, void *context, bool *helped,
                           mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool options_ended = false;
  *helped = false;
  for (int at = 1; at < argc; at++) {
    const char *argument = argv[at];
    if (options_ended || argument[0] != '-' || !argument[1]) {
      TRY(handler(context, -1, argument, error));
    } else if (!strcmp(argument, "--")) {
      options_ended = true;
    } else if (!strcmp(argument, "--help") || !strcmp(argument, "-h")) {
      usage_teller(usage);
      *helped = true;
      return MPT_DONE;
    } else {
      TRY(take_option(usage, argc, argv, &at, handler, context, error));
    }
  }
done:
  return code;
}
