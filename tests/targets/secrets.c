/* Personal text where programs have it: on a thread's stack, in its heap, in a global. It is the word of the command
 * line in capitals, so that the program's file does not hold it. */
#include "target.h"

#include <ctype.h>

char global[64];
static int pipes[2];

__attribute__((noinline)) void keep(const char *letter) {
    char copy[64], byte;
    strcpy(copy, letter);
    strcpy(global, letter);
    if (read(pipes[0], &byte, 1) > 0)
        puts(copy);
}

static void *writer(void *letter) {
    keep(letter);
    return NULL;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    pthread_t thread;
    char *letter = malloc(64);
    for (size_t at = 0; at <= strlen(words[1]); at++)
        letter[at] = (char)toupper(words[1][at]);
    if (pipe(pipes))
        return 1;
    pthread_create(&thread, NULL, writer, letter);
    ready("");
    pause();
    return 0;
}
