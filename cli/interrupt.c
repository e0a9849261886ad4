#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t interrupted; /* by the signal of this number; 0: not yet */

static void note_interrupt(int number)
{
    interrupted = number;
}

bool cli_is_interrupted(void *user)
{
    (void)user;
    return interrupted != 0;
}

int cli_interrupt_status(void)
{
    return 128 + interrupted;
}

void cli_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = note_interrupt,
                                .sa_flags = SA_RESTART | (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
