// A small editor as people know them: saving and syncing lock two things in opposite order, and its window waits.
#include "target.h"
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace notes {

pthread_barrier_t together;

struct Library {
    std::mutex lock;
    FRAME void refresh();
};

struct Document {
    std::mutex lock;
    FRAME void save(Library &library);
    FRAME void repaint();
};

void Library::refresh()
{
    std::lock_guard<std::mutex> mine(lock);
    asm volatile("" ::: "memory");
}

void Document::repaint()
{
    std::lock_guard<std::mutex> mine(lock);
    asm volatile("" ::: "memory");
}

void Document::save(Library &library)
{
    std::lock_guard<std::mutex> mine(lock);
    pthread_barrier_wait(&together);
    library.refresh();
}

struct Sync {
    FRAME void upload(Library &library, Document &document)
    {
        std::lock_guard<std::mutex> mine(library.lock);
        pthread_barrier_wait(&together);
        document.repaint();
    }
};

struct Thumbnails {
    std::mutex lock;
    std::condition_variable more;
    FRAME void wait()
    {
        std::unique_lock<std::mutex> mine(lock);
        more.wait(mine, [] { return false; });
    }
};

} // namespace notes

int main()
{
    static notes::Document document;
    static notes::Library library;
    static notes::Sync sync;
    static notes::Thumbnails thumbnails;
    pthread_barrier_init(&notes::together, nullptr, 3);
    std::vector<std::thread> pool;
    for (int number = 0; number < 6; number++)
        pool.emplace_back([] { pthread_setname_np(pthread_self(), "thumbnail"); thumbnails.wait(); });
    std::thread saving([] { pthread_setname_np(pthread_self(), "autosave"); document.save(library); });
    std::thread syncing([] { pthread_setname_np(pthread_self(), "sync"); sync.upload(library, document); });
    pthread_barrier_wait(&notes::together);
    pthread_setname_np(pthread_self(), "notes");
    ready("");
    document.repaint();
}
