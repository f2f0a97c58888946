/* One program per way to wait: the first argument says which. Threads are called a, b and c; main is main. */
#include "target.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static pthread_mutex_t locks[3];
static pthread_rwlock_t rwlocks[2];
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t together;
static sem_t empty;
static pthread_t other;
static volatile int returned;
static volatile uint64_t turns;

FRAME void lock(int n) { pthread_mutex_lock(&locks[n]); returned++; }
FRAME void meet(void) { pthread_barrier_wait(&together); returned++; }
static void for_ever(void) { for (;;) pause(); }

static void make(const char *type)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    if (!strcmp(type, "recursive"))
        pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    if (!strcmp(type, "errorcheck"))
        pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    if (!strcmp(type, "adaptive"))
        pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ADAPTIVE_NP);
    if (!strcmp(type, "robust"))
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    if (!strcmp(type, "shared"))
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (!strcmp(type, "pi"))
        pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    for (int n = 0; n < 3; n++)
        pthread_mutex_init(&locks[n], &kind);
}

/* Threads in a ring: each holds its own lock and wants the next one's. */
static int ring_size;
static void *in_ring(void *argument)
{
    int n = (int)(intptr_t)argument;
    lock(n);
    meet();
    lock((n + 1) % ring_size);
    return NULL;
}

static void ring(int size)
{
    const char *names[] = {"a", "b", "c"};
    ring_size = size;
    pthread_barrier_init(&together, NULL, (unsigned)size);
    for (int n = 0; n < size; n++)
        start(names[n], in_ring, (void *)(intptr_t)n);
}

static void *wants(void *unused) { lock(0); return unused; }
static void *holds(void *unused) { lock(0); meet(); for_ever(); return unused; }
static void *ends(void *unused) { lock(0); return unused; }
static void *relocks(void *unused) { lock(0); lock(0); return unused; }
static void *joins(void *unused) { pthread_join(other, NULL); return unused; }
static void *spins(void *unused) { lock(0); meet(); for (;;) turns++; return unused; }
static void *holds_stream(void *unused) { flockfile(stderr); meet(); for_ever(); return unused; }
static void *holds_read(void *unused) { pthread_rwlock_rdlock(&rwlocks[0]); meet(); for_ever(); return unused; }
static void *wants_read(void *unused) { pthread_rwlock_rdlock(&rwlocks[0]); return unused; }
static void *wants_write(void *unused) { pthread_rwlock_wrlock(&rwlocks[0]); return unused; }
static void *naps(void *unused) { for (;;) sleep(86400); return unused; }

static void *write_then_read(void *argument)
{
    int n = (int)(intptr_t)argument;
    pthread_rwlock_wrlock(&rwlocks[n]);
    meet();
    n ? pthread_rwlock_wrlock(&rwlocks[0]) : pthread_rwlock_rdlock(&rwlocks[1]);
    return NULL;
}

static void *timed(void *argument)
{
    int n = (int)(intptr_t)argument;
    struct timespec late;
    clock_gettime(CLOCK_REALTIME, &late);
    late.tv_sec += 86400;
    lock(n);
    meet();
    pthread_mutex_timedlock(&locks[1 - n], &late);
    return NULL;
}

/* Locks in one order only, now and then a wait for a signal of the others: nothing is wrong. */
static void *works(void *unused)
{
    struct timespec soon;
    for (;;) {
        lock(0);
        lock(1);
        for (int i = 0; i < 2000; i++)
            turns++;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec = (soon.tv_nsec + 100000) % 1000000000;
        pthread_cond_timedwait(&never, &locks[1], &soon);
        pthread_cond_signal(&never);
        pthread_mutex_unlock(&locks[1]);
        pthread_mutex_unlock(&locks[0]);
    }
    return unused;
}

/* Another process holds what main wants; with "processes" it wants what main holds, too. */
static struct { pthread_mutex_t locks[2]; pthread_barrier_t met; } *between;
static void with_a_process(const char *way)
{
    pthread_mutexattr_t kind;
    pthread_barrierattr_t shared;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (!strcmp(way, "robust-processes"))
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    between = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int n = 0; n < 2; n++)
        pthread_mutex_init(&between->locks[n], &kind);
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&between->met, &shared, 2);
    pid_t child = fork();
    prctl(PR_SET_NAME, child ? "main" : "child");
    if (!child)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    pthread_mutex_lock(&between->locks[child != 0]);
    pthread_barrier_wait(&between->met);
    if (child || strcmp(way, "held-outside"))
        pthread_mutex_lock(&between->locks[child == 0]);
    for_ever();
}

static void alone_in(const char *way, const char *path)
{
    struct pollfd nothing = {.fd = -1};
    char byte;
    int ends_of_it[2];
    if (!strcmp(way, "cond"))
        pthread_mutex_lock(&locks[2]), pthread_cond_wait(&never, &locks[2]);
    if (!strcmp(way, "sem"))
        sem_wait(&empty);
    if (!strcmp(way, "barrier"))
        meet();
    if (!strcmp(way, "spin"))
        for (;;) turns++;
    if (!strcmp(way, "fifo"))
        returned += (int)read(open(path, O_RDWR), &byte, 1);
    if (!strcmp(way, "open"))
        returned += open(path, O_RDONLY);
    if (!strcmp(way, "socket")) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends_of_it);
        returned += (int)recv(ends_of_it[0], &byte, 1, 0);
    }
    if (!strcmp(way, "sleep"))
        sleep(86400);
    if (!strcmp(way, "poll"))
        poll(&nothing, 1, -1);
    if (!strcmp(way, "stdin"))
        returned += (int)read(0, &byte, 1);
    if (!strcmp(way, "stdout"))
        for (;;) returned += (int)write(1, ends_of_it, sizeof ends_of_it);
    if (strstr(way, "processes") || !strcmp(way, "held-outside"))
        with_a_process(way);
    if (!strcmp(way, "child")) {
        pid_t child = fork();
        if (!child)
            prctl(PR_SET_PDEATHSIG, SIGKILL), for_ever();
        waitpid(child, NULL, 0);
    }
    if (!strcmp(way, "vfork") && !vfork())
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;) pause();
}

static void *vforks(void *unused) { alone_in("vfork", ""); return unused; }

static void with_threads(const char *way)
{
    pthread_barrier_init(&together, NULL, 2);
    if (!strcmp(way, "ring2"))
        ring(2);
    if (!strcmp(way, "ring3"))
        ring(3);
    if (!strcmp(way, "self"))
        start("a", relocks, NULL);
    if (!strcmp(way, "held"))
        lock(0), start("a", wants, NULL), start("b", wants, NULL);
    if (!strcmp(way, "orphan"))
        pthread_join(start("b", ends, NULL), NULL), start("a", wants, NULL);
    if (!strcmp(way, "timed"))
        start("a", timed, (void *)0), start("b", timed, (void *)1);
    if (!strcmp(way, "rw-ring"))
        start("a", write_then_read, (void *)0), start("b", write_then_read, (void *)1);
    if (!strcmp(way, "rw-reader"))
        pthread_rwlock_wrlock(&rwlocks[0]), start("a", wants_read, NULL);
    if (!strcmp(way, "rw-writer"))
        pthread_rwlock_wrlock(&rwlocks[0]), start("a", wants_write, NULL);
    if (!strcmp(way, "vfork-thread"))
        start("a", vforks, NULL);
    if (!strcmp(way, "nappers"))
        start("a", naps, NULL), start("b", naps, NULL);
    if (!strcmp(way, "healthy"))
        for (int n = 0; n < 6; n++)
            start("works", works, NULL);
}

/* Another thread first takes what main then wants. */
static void main_wants(const char *way)
{
    if (!strcmp(way, "busy-holder"))
        start("a", spins, NULL), meet(), lock(0);
    if (!strcmp(way, "stream"))
        start("a", holds_stream, NULL), meet(), fputs("x", stderr);
    if (!strcmp(way, "rw-readers"))
        start("a", holds_read, NULL), meet(), pthread_rwlock_wrlock(&rwlocks[0]);
    if (!strcmp(way, "join-blocked"))
        start("b", holds, NULL), meet(), pthread_join(start("a", wants, NULL), NULL);
    if (!strcmp(way, "join-ring")) {
        lock(0);
        pthread_join(start("a", wants, NULL), NULL);
    }
    if (!strcmp(way, "join-chain")) {
        lock(0);
        other = start("a", wants, NULL);
        pthread_join(start("b", joins, NULL), NULL);
    }
    if (!strcmp(way, "join-idle"))
        pthread_join(start("a", naps, NULL), NULL);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "", *more = argc > 2 ? argv[2] : "";
    prctl(PR_SET_NAME, "main");
    make(more);
    for (int n = 0; n < 2; n++)
        pthread_rwlock_init(&rwlocks[n], NULL);
    sem_init(&empty, 0, 0);
    with_threads(way);
    ready("");
    if (!strcmp(way, "headless"))
        start("a", naps, NULL), pthread_exit(NULL);
    main_wants(way);
    alone_in(way, more);
    for_ever();
}
