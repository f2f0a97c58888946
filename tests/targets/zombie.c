/* Keeps a child that has ended and was not waited for; its pid follows in the handshake. */
#include "target.h"
#include <sys/wait.h>

int main(void)
{
    siginfo_t ended;
    char where[32];
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT);
    snprintf(where, sizeof where, "%d", child);
    ready(where);
    for (;;)
        pause();
}
