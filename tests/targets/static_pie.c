/* Linked with -static-pie: no dynamic linker, no link map, yet loaded at a random address. */
#include "target.h"

static volatile int returned;

FRAME void level_b(void) { pause(); returned++; }
FRAME void level_a(void) { level_b(); returned++; }

static void *body(void *unused)
{
    (void)unused;
    level_a();
    return NULL;
}

int main(void)
{
    start("static", body, NULL);
    ready("");
    for (;;)
        pause();
}
