/* The subcommands of the tern program: one small file each, one line in main.c. */
#ifndef TERN_CLI_COMMANDS_H
#define TERN_CLI_COMMANDS_H

#include "cli/args.h"
#include "core/observer.h"

int cmd_ops(int argc, char **argv);
int cmd_op(int argc, char **argv);
int cmd_gradcheck(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_data_synth(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_predict(int argc, char **argv);
/* train, eval and predict, watched by an observer, which may be NULL (core/observer.h). */
int cli_train(int argc, char **argv, const tern_observer *observer);
int cli_eval(int argc, char **argv, const tern_observer *observer);
int cli_predict(int argc, char **argv, const tern_observer *observer);
int cmd_profile(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_bench_compare(int argc, char **argv);
int cmd_bench_plot(int argc, char **argv);
int cmd_bench_show(int argc, char **argv);
int cmd_version(int argc, char **argv); /* tern --version */

#endif
