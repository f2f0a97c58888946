/* Watches for every sign that it was tampered with: each thread checks its registers, its red zone, its signal
 * mask and the outcome of its call, round after round; others watch for children, signals and handlers. A byte
 * on standard input asks: "rounds N sent N received N NAME N ..." answers, all after the first three must be 0. */
#include "target.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

struct call {
    long number, arguments[6], result, spoilt;
};
void guarded(struct call *call);

/* Fills what the psABI lets a caller keep across a system call, makes the call (or spins, for number -1), and
 * counts what is not as it was. */
__asm__(".globl guarded\n"
        "guarded:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
        "  movabs $0x1122334455667788, %rbx\n"
        "  mov %rbx, %rbp; mov %rbx, %r12; mov %rbx, %r13; mov %rbx, %r14; mov %rbx, %r15\n"
        "  movq %rbx, %xmm0; movq %rbx, %xmm7; movq %rbx, %xmm15\n"
        "  vinsertf128 $1, %xmm0, %ymm15, %ymm15\n"
        "  mov %rbx, -8(%rsp); mov %rbx, -64(%rsp); mov %rbx, -128(%rsp)\n"
        "  mov (%rdi), %rax; mov 16(%rdi), %rsi; mov 24(%rdi), %rdx; mov 32(%rdi), %r10\n"
        "  mov 40(%rdi), %r8; mov 48(%rdi), %r9; mov 8(%rdi), %rdi\n"
        "  cmp $-1, %rax; je 1f\n"
        "  syscall\n"
        "  jmp 3f\n"
        "1: mov $3000000, %rcx\n"
        "2: dec %rcx; jnz 2b\n"
        "  xor %eax, %eax\n"
        "3: mov (%rsp), %r11\n"
        "  xor %ecx, %ecx\n"
        "  cmp 8(%r11), %rdi; setne %cl; mov %rcx, 64(%r11)\n"
        "  cmp 16(%r11), %rsi; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp 24(%r11), %rdx; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp 32(%r11), %r10; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp 40(%r11), %r8; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp 48(%r11), %r9; setne %cl; add %rcx, 64(%r11)\n"
        "  mov %rax, 56(%r11)\n"
        "  movabs $0x1122334455667788, %rax\n"
        "  cmp %rax, %rbx; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, %rbp; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, %r12; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, %r13; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, %r14; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, %r15; setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, -8(%rsp); setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, -64(%rsp); setne %cl; add %rcx, 64(%r11)\n"
        "  cmp %rax, -128(%rsp); setne %cl; add %rcx, 64(%r11)\n"
        "  movq %xmm7, %rdx; cmp %rax, %rdx; setne %cl; add %rcx, 64(%r11)\n"
        "  movq %xmm15, %rdx; cmp %rax, %rdx; setne %cl; add %rcx, 64(%r11)\n"
        "  vextractf128 $1, %ymm15, %xmm0; movq %xmm0, %rdx; cmp %rax, %rdx; setne %cl; add %rcx, 64(%r11)\n"
        "  vzeroupper\n"
        "  pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n");

enum { TICK = 20 };
static const struct timespec tick = {.tv_nsec = TICK * 1000000};
static atomic_long rounds, sent, received, child_signals, traps, spoilt, masks, outcomes, hasty, children;
static int word, never, epoll, pipe_ends[2];

static const struct work {
    const char *name;
    int open_to_signals;
    struct call call;
    long expected[2];
    int ticks; /* whether it must take a tick */
} works[] = {
    {"futex", 0, {SYS_futex, {(long)&word, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0}, 0, 0}, {0, -EAGAIN}, 0},
    {"timed", 0, {SYS_futex, {(long)&never, FUTEX_WAIT_PRIVATE, 0, (long)&tick, 0, 0}, 0, 0}, {-ETIMEDOUT, -ETIMEDOUT}, 1},
    {"nanosleep", 0, {SYS_nanosleep, {(long)&tick, 0, 0, 0, 0, 0}, 0, 0}, {0, 0}, 1},
    {"epoll", 0, {SYS_epoll_wait, {-1, 0, 1, TICK, 0, 0}, 0, 0}, {0, 0}, 1},
    {"read", 1, {SYS_read, {-1, 0, 1, 0, 0, 0}, 0, 0}, {1, 1}, 0},
    {"busy", 1, {-1, {0, 0, 0, 0, 0, 0}, 0, 0}, {0, 0}, 0},
};
enum { WORKS = sizeof works / sizeof *works };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *watches(void *argument)
{
    const struct work *work = argument;
    struct call call = work->call;
    unsigned long before = 0, after = 0, all = ~0UL;
    char buffer[64];
    if (!work->open_to_signals)
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8);
    if (call.number == SYS_read)
        call.arguments[0] = pipe_ends[0];
    if (call.number == SYS_epoll_wait)
        call.arguments[0] = epoll;
    if (call.number == SYS_read || call.number == SYS_epoll_wait)
        call.arguments[1] = (long)buffer;
    syscall(SYS_rt_sigprocmask, 0, NULL, &before, 8);
    for (;;) {
        double began = now();
        guarded(&call);
        hasty += work->ticks && now() - began < TICK * 0.9e-3;
        outcomes += call.result != work->expected[0] && call.result != work->expected[1];
        spoilt += call.spoilt;
        syscall(SYS_rt_sigprocmask, 0, NULL, &after, 8);
        masks += after != before;
        rounds++;
    }
    return NULL;
}

/* Nobody but the child that we know may ever be seen, by whatever kind of wait. */
static void *looks_for_children(void *argument)
{
    for (;;) {
        int status;
        pid_t found = waitpid(-1, &status, argument ? __WALL : __WALL | WNOHANG);
        children += found != 0;
        usleep(1000);
    }
    return NULL;
}

static void *brief(void *unused) { return unused; }

static void *restless(void *unused)
{
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, brief, NULL) == 0)
            pthread_join(thread, NULL);
        usleep(500);
    }
    return unused;
}

static void *drives(void *unused)
{
    union sigval nothing = {0};
    for (long i = 0;; i++) {
        usleep(1000);
        sent += sigqueue(getpid(), SIGRTMIN, nothing) == 0;
        if (i % 10 == 0 && write(pipe_ends[1], "x", 1) == 1)
            syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
    }
    return unused;
}

static void on_queued(int signal) { (void)signal; received++; }
static void on_child(int signal) { (void)signal; child_signals++; }
static void on_trap(int signal) { (void)signal; traps++; }

static void catch(int signal, void (*then)(int))
{
    struct sigaction action = {.sa_handler = then, .sa_flags = SA_RESTART};
    sigaction(signal, &action, NULL);
}

static void report(void)
{
    struct sigaction trap;
    sigaction(SIGTRAP, NULL, &trap);
    for (int i = 0; i < 1000 && received < sent - 100; i++)
        usleep(1000);
    printf("rounds %ld sent %ld received %ld child_signals %ld traps %ld spoilt %ld masks %ld outcomes %ld "
           "hasty %ld children %ld disarmed %d\n",
           rounds, sent, received, child_signals, traps, spoilt, masks, outcomes, hasty, children,
           trap.sa_handler != on_trap);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char byte;
    if (!__builtin_cpu_supports("avx"))
        return 77;
    if (pipe(pipe_ends) != 0 || (epoll = epoll_create1(0)) < 0)
        die("pipe or epoll");
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    catch(SIGRTMIN, on_queued);
    catch(SIGCHLD, on_child);
    catch(SIGTRAP, on_trap);
    for (int i = 0; i < WORKS; i++)
        if (argc < 2 || strcmp(argv[1], works[i].name) == 0)
            start(works[i].name, watches, (void *)&works[i]);
    start("looks", looks_for_children, NULL);
    start("waits", looks_for_children, "");
    start("restless", restless, NULL);
    start("drives", drives, NULL);
    ready("");
    while (read(0, &byte, 1) == 1)
        report();
    return 0;
}
