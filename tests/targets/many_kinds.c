/* Very many mappings (argument, default 60000) of which hardly two are alike. What they are is said by letters, in
 * turn (argument, default "sp"): f a file of its own, shared; w one of its own, private and written; x one of its
 * own, with code in it; l the same as w, under a path of 4,000 bytes; d one that is deleted; s shared memory without
 * a file; o one file for all; k one kept out of dumps; p private memory. Files lie in a folder (argument, none without
 * it: they stay there), and further threads (argument) sleep. */
#include "target.h"
#include <fcntl.h>
#include <sys/stat.h>

static const size_t PAGE = 4096;

static int file(const char *kind, long number)
{
    char name[256];
    snprintf(name, sizeof name, "an-index-with-many-segments-%s-%07ld.segment", kind, number);
    int opened = open(name, O_RDWR | O_CREAT, 0600);
    if (opened < 0 || ftruncate(opened, (off_t)PAGE) != 0)
        die(name);
    if (kind[0] == 'd')
        unlink(name);
    return opened;
}

static char *mapped(int opened, int access, int flags)
{
    char *memory = mmap(NULL, PAGE, access, flags, opened, 0);
    if (memory == MAP_FAILED)
        die("mmap (vm.max_map_count?)");
    if (opened >= 0)
        close(opened);
    return memory;
}

static void descend(void)
{
    char name[251];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int depth = 0; depth < 15; depth++) {
        mkdir(name, 0700);
        if (chdir(name) != 0)
            die("chdir");
    }
}

static void add(char kind, long number)
{
    const int both = PROT_READ | PROT_WRITE;
    char name[2] = {kind, 0};
    char *memory;
    if (kind == 's')
        memory = mapped(-1, both, MAP_SHARED | MAP_ANONYMOUS);
    else if (kind == 'p' || kind == 'k')
        memory = mapped(-1, number % 2 ? both : both | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    else if (kind == 'o')
        memory = mapped(file("o", 0), number % 2 ? both : both | PROT_EXEC, MAP_PRIVATE);
    else
        memory = mapped(file(name, number), kind == 'x' ? both | PROT_EXEC : both,
                        kind == 'f' || kind == 'd' ? MAP_SHARED : MAP_PRIVATE);
    *(long *)memory = number + 1;
    if (kind == 'k' && madvise(memory, PAGE, number % 2 ? MADV_DONTDUMP : MADV_DODUMP) != 0)
        die("madvise");
}

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(int argc, char **argv)
{
    long count = number(argc, argv, 1, 60000), threads = number(argc, argv, 4, 0);
    const char *kinds = argc > 2 ? argv[2] : "sp";
    if (strspn(kinds, "spk") < strlen(kinds) && (argc < 4 || chdir(argv[3]) != 0))
        die("a folder for the files");
    for (long i = 0; i < threads; i++)
        start("sleeper", sleeper, NULL);
    if (strchr(kinds, 'l'))
        descend();
    for (long i = 0; i < count; i++)
        add(kinds[i % (long)strlen(kinds)], i);
    ready("");
    for (;;)
        pause();
}
