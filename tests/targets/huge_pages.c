/* Two pages of the system's pool of huge ones (hugetlbfs), filled with 0x77: "shared" between processes, or its own,
 * without a reservation, and written to all the time. "secret" is memory that the kernel hides (memfd_secret), the
 * same byte in it. The handshake names the address, or says "impossible". */
#include "target.h"
#include <sys/syscall.h>

enum { SIZE = 4 << 20, SECRET_SIZE = 1 << 16 };

static void *place(const char *kind)
{
    if (strcmp(kind, "secret") == 0) {
        int file = (int)syscall(447 /* memfd_secret */, 0);
        if (file < 0 || ftruncate(file, SECRET_SIZE) != 0)
            return MAP_FAILED;
        return mmap(NULL, SECRET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;
    return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    char where[40];
    volatile char *memory = place(kind);
    if (memory == MAP_FAILED) {
        ready("impossible");
        for (;;)
            pause();
    }
    memset((void *)memory, 0x77, strcmp(kind, "secret") == 0 ? SECRET_SIZE : SIZE);
    snprintf(where, sizeof where, "%p", (void *)memory);
    ready(where);
    for (;;) {
        memory[0] = 0x77;
        if (strcmp(kind, "own") == 0)
            memory[SIZE / 2] = 0x77;
        usleep(500);
    }
}
