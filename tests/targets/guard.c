/* PROT_NONE guard pages around and inside memory that is in use, and one area made unreadable after use. */
#include "target.h"

int main(void)
{
    size_t page = 4096;
    char *memory = mmap(NULL, 9 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char where[64];
    if (memory == MAP_FAILED)
        die("mmap");
    memset(memory, 0x77, 9 * page);
    for (int i = 0; i < 9; i += 4)
        if (mprotect(memory + i * page, page, PROT_NONE) != 0)
            die("mprotect");
    snprintf(where, sizeof where, "%p", (void *)memory);
    ready(where);
    for (;;)
        pause();
}
