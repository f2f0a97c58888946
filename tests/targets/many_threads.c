/* Many threads (argument: how many, default 500), all blocked under level_a -> level_b; and so many MiB in use. */
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
    size_t used = (size_t)number(argc, argv, 2, 0) << 20;
    char *memory = used ? mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
    if (memory == MAP_FAILED)
        die("mmap");
    for (size_t i = 0; i < used; i += 8) {
        size_t word = i * 2654435761u | 1;
        memcpy(memory + i, &word, 8);
    }
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
