/* A child sends a queued signal a thousand times a second; every single one must arrive, and no other.
 * A byte on standard input stops the child and asks: "sent N received N stray N" answers. */
#include "target.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>

static atomic_long received, stray;
static int orders[2], results[2];

static void on_queued(int signal) { (void)signal; received++; }
static void on_stray(int signal) { (void)signal; stray++; }

static void catch_all(void)
{
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        struct sigaction action = {.sa_handler = signal == SIGRTMIN ? on_queued : on_stray, .sa_flags = SA_RESTART};
        if (signal != SIGTERM && signal != SIGINT && signal != SIGSEGV && signal != SIGBUS && signal != SIGILL)
            sigaction(signal, &action, NULL); /* fails for SIGKILL and SIGSTOP, and that is all right */
    }
}

static void send_signals(pid_t target)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    long sent = 0;
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(orders[0], &byte, 1) != 1) { /* not blocking */
        union sigval value = {.sival_int = (int)sent};
        if (sigqueue(target, SIGRTMIN, value) == 0)
            sent++;
        nanosleep(&millisecond, NULL);
    }
    if (write(results[1], &sent, sizeof sent) != sizeof sent)
        exit(1);
    for (;;)
        pause(); /* ending would be a SIGCHLD */
}

static void *sleeps(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static void report(void)
{
    const struct timespec tenth = {.tv_nsec = 100000000};
    long sent = 0;
    if (write(orders[1], "x", 1) != 1 || read(results[0], &sent, sizeof sent) != sizeof sent)
        die("sender");
    for (int i = 0; i < 30 && received < sent; i++)
        nanosleep(&tenth, NULL);
    printf("sent %ld received %ld stray %ld\n", sent, received, stray);
    fflush(stdout);
}

int main(void)
{
    pid_t self = getpid();
    char byte;
    if (pipe2(orders, O_NONBLOCK) != 0 || pipe(results) != 0)
        die("pipe");
    catch_all();
    pid_t child = fork();
    if (child == 0)
        send_signals(self);
    for (int i = 0; i < 4; i++)
        start("sleeps", sleeps, NULL);
    ready("");
    while (read(0, &byte, 1) == 1)
        report();
    kill(child, SIGKILL);
    return 0;
}
