/* Threads (argument: how many, default 2) that never sleep. */
#include "target.h"

volatile uint64_t turns;

FRAME void spin(void)
{
    for (;;)
        turns++;
}

FRAME void level_a(void) { spin(); turns = 0; }

static void *body(void *unused)
{
    (void)unused;
    level_a();
    return NULL;
}

int main(int argc, char **argv)
{
    for (long i = 0; i < number(argc, argv, 1, 2); i++)
        start("busy", body, NULL);
    ready("");
    for (;;)
        pause();
}
