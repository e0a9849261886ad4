/* The subcommands of the tern program: one small file each, one line in main.c. */
#ifndef TERN_CLI_COMMANDS_H
#define TERN_CLI_COMMANDS_H

#include "cli/args.h"

int cmd_ops(int argc, char **argv);
int cmd_op(int argc, char **argv);
int cmd_gradcheck(int argc, char **argv);

#endif
