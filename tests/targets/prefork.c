/* A parent fills MiB (argument, default 64), then forks a worker that shares every page of them. The
 * worker is the target: its pid is the one in the handshake. */
#include "target.h"
#include <sys/wait.h>

int main(int argc, char **argv)
{
    size_t size = (size_t)number(argc, argv, 1, 64) << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char where[64];
    if (memory == MAP_FAILED)
        die("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    memset(memory, 0x3c, size);
    pid_t parent = getpid(), worker = fork();
    if (worker < 0)
        die("fork");
    if (worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            return 1;
        snprintf(where, sizeof where, "%p", (void *)memory);
        ready(where);
        for (;;)
            pause();
    }
    for (;;)
        pause();
}
