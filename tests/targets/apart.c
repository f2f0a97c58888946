/* Memory that a clone lacks or shares: kept from children (MADV_DONTFORK), wiped in them (MADV_WIPEONFORK), and
 * shared with them. 4 MiB each, filled with a byte of its own. The handshake names the three addresses. With an
 * argument, so many MiB more are shared. */
#include "target.h"

enum { SIZE = 4 << 20 };

static char *filled(int byte, size_t size, int flags)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    memset(memory, byte, size);
    return memory;
}

int main(int argc, char **argv)
{
    char *kept = filled(0x11, SIZE, MAP_PRIVATE), *wiped = filled(0x22, SIZE, MAP_PRIVATE);
    char *shared = filled(0x33, SIZE + ((size_t)number(argc, argv, 1, 0) << 20), MAP_SHARED), where[80];
    if (madvise(kept, SIZE, MADV_DONTFORK) != 0 || madvise(wiped, SIZE, MADV_WIPEONFORK) != 0)
        die("madvise");
    snprintf(where, sizeof where, "%p %p %p", (void *)kept, (void *)wiped, (void *)shared);
    ready(where);
    for (;;)
        pause();
}
