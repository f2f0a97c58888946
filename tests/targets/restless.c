/* Threads start and end all the time, eight at once. A byte on standard input asks how many have ended. */
#include "target.h"
#include <stdatomic.h>

static atomic_long ended;

static void *brief(void *unused)
{
    (void)unused;
    usleep(200);
    ended++;
    return NULL;
}

static void *starts_others(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, brief, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

int main(void)
{
    char byte;
    for (int i = 0; i < 8; i++)
        start("starter", starts_others, NULL);
    ready("");
    while (read(0, &byte, 1) == 1) {
        printf("ended %ld\n", (long)ended);
        fflush(stdout);
    }
    return 0;
}
