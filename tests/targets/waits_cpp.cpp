// std::mutex and std::shared_mutex, each locked by two threads in opposite order.
#include "target.h"
#include <cstring>
#include <mutex>
#include <shared_mutex>
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
}
