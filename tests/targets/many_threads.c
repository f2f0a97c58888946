/* Many threads (argument: how many, default 500), all blocked under level_a -> level_b. */
#include "target.h"

static volatile int returned;
static int pipe_ends[2];

FRAME void level_b(void)
{
    char byte;
    if (read(pipe_ends[0], &byte, 1) < 0)
        die("read");
    returned++;
}

FRAME void level_a(void) { level_b(); returned++; }

static void *body(void *unused)
{
    (void)unused;
    level_a();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t small;
    long count = number(argc, argv, 1, 500);
    if (pipe(pipe_ends) != 0)
        die("pipe");
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        char name[32];
        if (pthread_create(&thread, &small, body, NULL) != 0)
            die("pthread_create");
        snprintf(name, sizeof name, "many-%ld", i);
        name[15] = 0; /* longer names are refused */
        pthread_setname_np(thread, name);
    }
    ready("");
    for (;;)
        pause();
}
