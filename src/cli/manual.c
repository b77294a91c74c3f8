/* The manual page, generated from the tables that --help prints. */
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"

static const struct {
  mpt_code code;
  const char *meaning;
} exits[] = {
    {MPT_DONE, "All is well."},
    {MPT_BAD_USAGE, "The command line or the config is wrong, or asks for more than there is."},
    {MPT_BAD_INPUT, "An input file cannot be used."},
    {MPT_SOME_FAILED, "Finished; some problems failed, and the result says which and why."},
    {MPT_BAD_OUTPUT, "The result could not be written."},
    {MPT_STOPPED, "Stopped early by a signal: the same command continues."},
};

/* Prints `length` characters of text so that roff shows each of them literally. */
static void put(const char *text, size_t length) {
  static const char special[] = "\\-'`^~\"";
  static const char *const written[] = {"\\e", "\\-", "\\(aq", "\\(ga", "\\(ha", "\\(ti", "\\(dq"};
  if (length && *text == '.') printf("\\&");
  for (size_t k = 0; k < length; k++) {
    const char *found = strchr(special, text[k]);
    if (found && text[k])
      printf("%s", written[found - special]);
    else
      putchar(text[k]);
  }
}

static void put_all(const char *text) {
  put(text, strlen(text));
}

static void put_font(char font, const char *text) {
  printf("\\f%c", font);
  put_all(text);
  printf("\\fR");
}

/* Prints the lines without their indentation, which would start a paragraph in roff. */
static void put_lines(const char *text) {
  while (*text) {
    text += strspn(text, " \n");
    size_t length = strcspn(text, "\n");
    put(text, length);
    if (length) printf("\n");
    text += length;
  }
}

/* Prints the lines of --help's last part: "tag   text", a tag alone with its text indented below
 * it, or text. */
static void put_details(const char *text) {
  for (int above = -1; *text; text += *text == '\n') {
    int indent = (int)strspn(text, " ");
    text += indent;
    size_t length = strcspn(text, "\n"), tag = 0;
    while (tag + 1 < length && strncmp(text + tag, "  ", 2)) tag++;
    bool alone = tag + 1 >= length, below = above > 0 && indent > above;
    if (alone) tag = length;
    if (!below) printf(alone && !indent ? ".PP\n" : ".TP\n");
    put(text, tag);
    size_t gap = strspn(text + tag, " ");
    if (!alone) printf("\n");
    if (!alone) put(text + tag + gap, length - tag - gap);
    if (length) printf("\n");
    if (!below) above = indent;
    text += length;
  }
}

static void put_option(const char *name, const char *value, const char *help) {
  printf(".TP\n");
  put_font('B', name);
  if (value) printf(" ");
  if (value) put_font('I', value);
  printf("\n");
  put_lines(help);
}

static void put_usage(const mpt_usage *usage) {
  printf(".SS %s\n\\fBmultiplet %s\\fR", usage->command, usage->command);
  if (*usage->arguments) printf(" ");
  if (*usage->arguments) put_font('I', usage->arguments);
  printf("%s\n.PP\n", usage->option_count ? " [\\fIoptions\\fR]" : "");
  put_lines(usage->summary);
  for (size_t k = 0; k < usage->option_count; k++)
    put_option(usage->options[k].name, usage->options[k].value, usage->options[k].help);
  put_option("--help", NULL, "print this and exit");
  if (usage->details) put_details(usage->details);
}

static void put_head(const mpt_subcommand *commands, int count) {
  printf(".\\\" Made by multiplet --man; not to be edited.\n"
         ".TH MULTIPLET 1 \"\" \"multiplet %s\" \"User Commands\"\n"
         ".SH NAME\nmultiplet \\- eigenvalues and eigenvectors of many Hermitian matrices, and "
         "gradients through them\n"
         ".SH SYNOPSIS\n\\fBmultiplet\\fR \\fICOMMAND\\fR [\\fIarguments\\fR]\n.br\n"
         "\\fBmpirun \\-n\\fR \\fIN\\fR \\fBmultiplet run\\fR \\fICONFIG.yaml\\fR\n"
         ".SH DESCRIPTION\nMatrices come in from HDF5 files, MPI ranks solve and differentiate "
         "them, and eigenpairs and gradients go out to HDF5.\n"
         "Gradients stay exact at repeated eigenvalues. Where a matrix has no gradient, its "
         "status says so.\n",
         mpt_version());
  for (int k = 0; k < count; k++) put_option(commands[k].name, NULL, commands[k].summary);
  put_option("--help", NULL, "print the commands and exit");
  put_option("--version", NULL, "print the version and exit");
  put_option("--man", NULL, "print this manual page and exit");
  put_option("--completion", "bash", "print what bash needs to complete the arguments, and exit");
}

mpt_code mpt_print_manual(const mpt_subcommand *commands, int count) {
  put_head(commands, count);
  printf(".SH COMMANDS\n");
  mpt_tell_usages(commands, count, put_usage);
  printf(".SH EXIT STATUS\n");
  for (size_t k = 0; k < sizeof exits / sizeof *exits; k++)
    printf(".TP\n.B %d\n%s\n", (int)exits[k].code, exits[k].meaning);
  printf(".SH SEE ALSO\n.BR mpirun (1),\n.BR h5dump (1);\n"
         "README.md and SCHEMA.md, the layout of result files, in the installed documentation.\n");
  return MPT_DONE;
}
