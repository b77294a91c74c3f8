#include "cli.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  (void)argc;
  (void)argv;
  printf("multiplet %s\n", mpt_version());
  return 0;
}
