/* A sparse 4 GiB memfd mapped shared: a page at the start and one in the middle were written; a third was
 * written through the descriptor, so that no page table of ours knows it. */
#include "target.h"

int main(void)
{
    size_t size = 4ull << 30;
    int file = memfd_create("sparse", 0);
    char where[96];
    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        die("memfd_create");
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    strcpy(memory, "FIRST PAGE");
    strcpy(memory + size / 2, "MIDDLE PAGE");
    if (pwrite(file, "UNMAPPED PAGE", 13, (off_t)(size / 4)) != 13)
        die("pwrite");
    snprintf(where, sizeof where, "%p %d", (void *)memory, file);
    ready(where);
    for (;;)
        pause();
}
