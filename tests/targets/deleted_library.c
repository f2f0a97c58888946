/* A thread sleeps inside a library (argument 1) whose file is gone, as after an upgrade. */
#include "target.h"
#include <dlfcn.h>

static void (*library_outer)(void);
static volatile int returned;

FRAME void calls_library(void) { library_outer(); returned++; }

static void *body(void *unused)
{
    (void)unused;
    calls_library();
    return NULL;
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (library == NULL)
        die("dlopen");
    library_outer = (void (*)(void))dlsym(library, "library_outer");
    char where[64];
    snprintf(where, sizeof where, "%p %p", dlsym(library, "library_inner"), dlsym(library, "library_text"));
    if (library_outer == NULL || unlink(argv[1]) != 0)
        die("unlink");
    start("in-library", body, NULL);
    ready(where);
    for (;;)
        pause();
}
