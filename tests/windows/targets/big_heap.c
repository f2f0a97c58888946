/* As many megabytes of heap as the first word says, each page with a text of its own; memory shared
 * with others, and a page that cannot be read. */
#include "target.h"

#define PAGE 4096

int main(int count, char **words) {
    size_t size = (size_t)(count > 1 ? atoi(words[1]) : 16) << 20;
    char *heap = VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    DWORD old;
    for (size_t at = 0; at < size; at += PAGE)
        snprintf(heap + at, 32, "page %zu of the heap", at / PAGE);
    VirtualProtect(heap + size - PAGE, PAGE, PAGE_NOACCESS, &old);
    ready("%p", heap);
    stay();
    return 0;
}
