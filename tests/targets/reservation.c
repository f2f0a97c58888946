/* 64 GiB, or as many as asked for, reserved and never touched, beside 256 MiB that are. */
#include "target.h"

int main(int argc, char **argv)
{
    size_t reserved = (size_t)number(argc, argv, 1, 64) << 30, used = 256 << 20;
    void *reservation =
        mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *memory = mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char where[64];
    if (reservation == MAP_FAILED || memory == MAP_FAILED)
        die("mmap");
    memset(memory, 0xa5, used);
    snprintf(where, sizeof where, "%p", reservation);
    ready(where);
    for (;;)
        pause();
}
