/* Many touched pages (argument, default 20000), 2 MiB from each other. */
#include "target.h"

int main(int argc, char **argv)
{
    size_t count = (size_t)number(argc, argv, 1, 20000), apart = 2 << 20;
    char *memory =
        mmap(NULL, count * apart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char where[64];
    if (memory == MAP_FAILED || madvise(memory, count * apart, MADV_NOHUGEPAGE) != 0)
        die("mmap");
    for (size_t i = 0; i < count; i++)
        *(size_t *)(memory + i * apart) = i + 1;
    snprintf(where, sizeof where, "%p", (void *)memory);
    ready(where);
    for (;;)
        pause();
}
