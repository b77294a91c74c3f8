/* Completion for bash, generated from the tables that --help prints. */
#include <stdio.h>
#include "cli/cli.h"

static void put_usage(const mpt_usage *usage) {
  printf("    %s)\n      options='", usage->command);
  for (size_t k = 0; k < usage->option_count; k++) printf("%s ", usage->options[k].name);
  printf("--help'\n      valued=' ");
  for (size_t k = 0; k < usage->option_count; k++)
    if (usage->options[k].value) printf("%s ", usage->options[k].name);
  printf("'\n      ;;\n");
}

mpt_code mpt_print_completion(const mpt_subcommand *commands, int count) {
  printf("# shellcheck shell=bash\n"
         "# Completion of multiplet's arguments in bash; made by multiplet --completion bash.\n\n"
         "_multiplet() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} options valued=' '\n"
         "  COMPREPLY=()\n"
         "  case $((COMP_CWORD > 1)),${COMP_WORDS[1]} in\n"
         "    0,*) options='");
  for (int k = 0; k < count; k++) printf("%s ", commands[k].name);
  printf("--help --version --man --completion' ;;\n"
         "    1,--completion) options=bash ;;\n"
         "  esac\n"
         "  ((COMP_CWORD == 1)) || case ${COMP_WORDS[1]} in\n");
  mpt_tell_usages(commands, count, put_usage);
  printf("  esac\n"
         "  # Values of options, and arguments, are files: left to bash.\n"
         "  [[ $valued != *\" ${COMP_WORDS[COMP_CWORD - 1]} \"* ]] || return 0\n"
         "  ((COMP_CWORD == 1)) || [[ $word == -* || $options == bash ]] || return 0\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
         "}\n"
         "complete -o bashdefault -o default -F _multiplet multiplet\n");
  return MPT_DONE;
}
