/* Memory that is shared with others: as many megabytes as the first word says, without a file, and one of a file,
 * both with a text on each page; the second word is the file. */
#include "target.h"

#define PAGE 4096

static char *view(HANDLE file, size_t size, const char *what) {
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, (DWORD)size, NULL);
    char *found = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, size);
    for (size_t at = 0; at < size; at += PAGE)
        snprintf(found + at, 48, "page %zu of the shared %s", at / PAGE, what);
    return found;
}

int main(int count, char **words) {
    size_t size = (size_t)atoi(words[1]) << 20;
    HANDLE file = CreateFileA(words[2], GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    char *memory = view(INVALID_HANDLE_VALUE, size, "memory");
    ready("%p %p %d", memory, view(file, 1 << 20, "file"), count);
    stay();
    return 0;
}
