/* Preloaded into a target: a thread that beats every millisecond and notes the longest time between two beats.
 *
 * HEARTBEAT names a file of one page: the longest gap in nanoseconds, and the number of beats; whoever measures
 * sets the gap to 0. HEARTBEAT_IDLERS says how many more threads to start, which wait for ever. HEARTBEAT_WRITES says
 * how many MiB of noise another one writes to all the time, twenty pages at random, then a nap of a millisecond; the
 * page counts its writes third. */
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

static uint64_t noise(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void *write_all_the_time(void *argument)
{
    struct timespec millisecond = {.tv_nsec = 1000000};
    size_t size = (size_t)argument << 20;
    volatile uint64_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    madvise((void *)memory, size, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < size / 8; at++)
        memory[at] = noise();
    for (;;) {
        for (int left = 20; left > 0; left--) {
            memory[noise() % (size / 4096) * 512] = page[2];
            page[2]++;
        }
        nanosleep(&millisecond, NULL);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("HEARTBEAT"), *idlers = getenv("HEARTBEAT_IDLERS"), *writes = getenv("HEARTBEAT_WRITES");
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
    if (writes && atol(writes) && pthread_create(&thread, NULL, write_all_the_time, (void *)atol(writes)) != 0)
        abort();
}
