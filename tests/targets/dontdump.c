/* One area says MADV_DONTDUMP, as keys and guest memory do; its neighbour does not. */
#include "target.h"

int main(void)
{
    size_t size = 2 << 20;
    char *memory = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char where[64];
    if (memory == MAP_FAILED)
        die("mmap");
    memset(memory, 0x5a, 3 * size);
    strcpy(memory, "THIS MAY BE DUMPED");
    /* Built here, so that the text is not in the program's own constants as well. */
    for (int i = 0; i < 16; i++)
        memory[size + i] = "ffdqfu!ebub!ifsf"[i] - 1;
    if (madvise(memory + size, size, MADV_DONTDUMP) != 0)
        die("madvise");
    snprintf(where, sizeof where, "%p %p", (void *)memory, (void *)(memory + size));
    ready(where);
    for (;;)
        pause();
}
