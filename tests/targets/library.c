/* The library of deleted_library.c. */
#include <unistd.h>

static volatile int returned;
char library_text[] = "TEXT OF THE DELETED LIBRARY";

__attribute__((noipa)) void library_inner(void) { pause(); returned++; }
__attribute__((noipa)) void library_outer(void) { library_inner(); returned++; }
