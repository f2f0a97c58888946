/* Threads with known backtraces, each blocked in another call: level_a -> level_b -> level_c -> the call. */
#include "target.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <time.h>

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t free_one = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static int pipe_ends[2];

static void in_read(void)
{
    char byte;
    if (read(pipe_ends[0], &byte, 1) < 0)
        die("read");
}

static void in_poll(void)
{
    struct pollfd one = {.fd = pipe_ends[0], .events = POLLIN};
    poll(&one, 1, -1);
}

static void in_epoll(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(0);
    epoll_wait(epoll, &event, 1, -1);
}

static void in_nanosleep(void)
{
    struct timespec day = {.tv_sec = 86400};
    nanosleep(&day, NULL);
}

static void in_mutex(void) { pthread_mutex_lock(&taken); }

static void in_cond(void)
{
    pthread_mutex_lock(&free_one);
    pthread_cond_wait(&never, &free_one);
}

static void in_sem(void) { sem_wait(&empty); }

static void in_pause(void) { pause(); }

struct sleeper {
    const char *name;
    void (*call)(void);
};

static const struct sleeper sleepers[] = {
    {"reader", in_read}, {"poller", in_poll}, {"epoller", in_epoll}, {"sleeper", in_nanosleep},
    {"locker", in_mutex}, {"waiter", in_cond}, {"semaphore", in_sem}, {"pauser", in_pause},
};

/* The counter after each call keeps it from being the last thing, which a compiler may turn into a jump. */
static volatile int returned;

FRAME void level_c(const struct sleeper *s) { s->call(); returned++; }
FRAME void level_b(const struct sleeper *s) { level_c(s); returned++; }
FRAME void level_a(const struct sleeper *s) { level_b(s); returned++; }

static void *body(void *argument)
{
    for (;;) /* gcore makes epoll_wait return early */
        level_a(argument);
    return NULL;
}

FRAME void main_waits(void) { pause(); returned++; }

int main(void)
{
    if (pipe(pipe_ends) != 0)
        die("pipe");
    sem_init(&empty, 0, 0);
    pthread_mutex_lock(&taken);
    for (size_t i = 0; i < sizeof sleepers / sizeof *sleepers; i++)
        start(sleepers[i].name, body, (void *)&sleepers[i]);
    ready("");
    for (;;)
        main_waits();
}
