/* Personal text where programs have it: on a thread's stack, in its heap, in a global, in the environment. It is the
 * word of the command line in capitals, so that the program's file does not hold it. */
#include "target.h"

#include <ctype.h>

char global[64];
static HANDLE standing;

__attribute__((noinline)) void keep(char *letter) {
    char copy[64];
    strcpy(copy, letter);
    SetEvent(standing);
    WaitForSingleObject(GetCurrentThread(), INFINITE);
    puts(copy);
}

static DWORD WINAPI writer(void *letter) {
    keep(letter);
    return 0;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    DWORD tid;
    char *heap = malloc(64);
    for (size_t at = 0; at <= strlen(words[1]); at++)
        global[at] = heap[at] = (char)toupper(words[1][at]);
    SetEnvironmentVariableA("LETTER", heap);
    standing = CreateEvent(NULL, TRUE, FALSE, NULL);
    CloseHandle(CreateThread(NULL, 0, writer, heap, 0, &tid));
    WaitForSingleObject(standing, INFINITE);
    ready("%lu %p", tid, heap);
    stay();
    return 0;
}
