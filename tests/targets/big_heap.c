/* A big heap: MiB of random bytes, of zero bytes that were written, and of memory never touched; "1" after them asks
 * for huge pages. */
#include "target.h"

static int advice = MADV_NOHUGEPAGE;

static unsigned char *area(long mib)
{
    void *memory = mmap(NULL, (size_t)mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    madvise(memory, (size_t)mib << 20, advice);
    return memory;
}

static void fill(unsigned char *memory, size_t size)
{
    uint64_t state = 88172645463325252ull;
    for (size_t i = 0; i < size; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(memory + i, &state, 8);
    }
}

int main(int argc, char **argv)
{
    long noise = number(argc, argv, 1, 64), zeros = number(argc, argv, 2, 0), untouched = number(argc, argv, 3, 0);
    char where[64];
    if (number(argc, argv, 4, 0))
        advice = MADV_HUGEPAGE;
    unsigned char *random_part = area(noise);
    fill(random_part, (size_t)noise << 20);
    if (zeros > 0) {
        volatile unsigned char *zero_part = area(zeros);
        for (size_t i = 0; i < (size_t)zeros << 20; i += 4096)
            zero_part[i] = 0;
    }
    if (untouched > 0)
        area(untouched);
    snprintf(where, sizeof where, "%p", (void *)random_part);
    ready(where);
    for (;;)
        pause();
}
