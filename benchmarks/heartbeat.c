/* Preloaded into a target: a thread that beats every millisecond and notes the longest time between two beats.
 *
 * HEARTBEAT names a file of one page: the longest gap in nanoseconds, and the number of beats; whoever measures
 * sets the gap to 0. HEARTBEAT_IDLERS says how many more threads to start, which wait for ever. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *page;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *beat(void *unused)
{
    struct timespec millisecond = {.tv_nsec = 1000000};
    uint64_t last = now();
    (void)unused;
    for (;;) {
        nanosleep(&millisecond, NULL);
        uint64_t this = now();
        if (this - last > page[0])
            page[0] = this - last;
        page[1]++;
        last = this;
    }
    return NULL;
}

static void *idle(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("HEARTBEAT"), *idlers = getenv("HEARTBEAT_IDLERS");
    int file = path ? open(path, O_RDWR) : -1;
    pthread_t thread;
    if (file < 0)
        return;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page == MAP_FAILED || pthread_create(&thread, NULL, beat, NULL) != 0)
        abort();
    for (int left = idlers ? atoi(idlers) : 0; left > 0; left--)
        if (pthread_create(&thread, NULL, idle, NULL) != 0)
            abort();
}
