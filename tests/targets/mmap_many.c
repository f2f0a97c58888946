/* Many mappings (argument, default 70000): pages of alternating rights, all touched. */
#include "target.h"

int main(int argc, char **argv)
{
    long count = number(argc, argv, 1, 70000), page = 4096;
    char *memory = mmap(NULL, (size_t)(count * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char where[64];
    if (memory == MAP_FAILED)
        die("mmap");
    for (long i = 0; i < count; i++)
        *(long *)(memory + i * page) = i + 1;
    for (long i = 0; i < count; i += 2)
        if (mprotect(memory + i * page, (size_t)page, PROT_READ) != 0)
            die("mprotect (vm.max_map_count?)");
    snprintf(where, sizeof where, "%p", (void *)memory);
    ready(where);
    for (;;)
        pause();
}
