/* Ctrl-C and SIGTERM, for what takes long: the first ends it in good order, a second
 * one kills. */
#ifndef TERN_CLI_INTERRUPT_H
#define TERN_CLI_INTERRUPT_H

#include <stdbool.h>

void cli_catch_interrupts(void);
/* A tern_trainer_opts.stop; user is not looked at. */
bool cli_is_interrupted(void *user);
/* What to exit with then, as a shell tells it: 128 and the number of the signal. */
int cli_interrupt_status(void);

#endif
