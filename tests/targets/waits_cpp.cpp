// std::mutex and std::shared_mutex, each locked by two threads in opposite order; and waits that only look so.
#include "target.h"
#include <cstring>
#include <linux/futex.h>
#include <mutex>
#include <shared_mutex>
#include <sys/syscall.h>
#include <thread>

template <typename Lock> void ring()
{
    static Lock left, right;
    static pthread_barrier_t together;
    pthread_barrier_init(&together, nullptr, 2);
    auto body = [](const char *name, Lock &first, Lock &second) {
        pthread_setname_np(pthread_self(), name);
        std::lock_guard<Lock> one(first);
        pthread_barrier_wait(&together);
        std::lock_guard<Lock> two(second);
    };
    std::thread a(body, "a", std::ref(left), std::ref(right));
    std::thread b(body, "b", std::ref(right), std::ref(left));
    ready("");
    a.join();
}

// As std::atomic::wait does, which stands in nobody's mutex.
static void wait_while(volatile int *word, int value)
{
    while (*word == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

// A word of its own, and beside it what would be the owner, users and kind of a mutex.
static void lookalike()
{
    static struct alignas(64) { int word, count, last, turns, kind; } own = {2, 0, 0, 1, 0};
    own.last = (int)syscall(SYS_gettid);
    ready("");
    wait_while(&own.word, 2);
}

// A mutex is held, and what it guards is done by somebody else who will tell: all is well.
FRAME static void hands_over(pthread_mutex_t *held)
{
    int done = 0;
    pthread_mutex_lock(held);
    ready("");
    wait_while(&done, 0);
    pthread_mutex_unlock(held);
}

static void hands_over_with_priority()
{
    static pthread_mutex_t lock;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&lock, &kind);
    hands_over(&lock);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    if (!strcmp(way, "mutex"))
        ring<std::mutex>();
    if (!strcmp(way, "recursive"))
        ring<std::recursive_mutex>();
    if (!strcmp(way, "timed"))
        ring<std::timed_mutex>();
    if (!strcmp(way, "shared"))
        ring<std::shared_mutex>();
    prctl(PR_SET_NAME, "main");
    if (!strcmp(way, "lookalike"))
        lookalike();
    if (!strcmp(way, "hands-over"))
        hands_over_with_priority();
}
