/* A thread in every blocking call that may return for no reason when a debugger stops it. Each loops for
 * ever and counts what its call gave: EINTR, or anything else. Both must stay 0. A byte on standard input
 * asks for the counts; "count NAME EINTR OTHER" lines answer, then "end". */
#include "target.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static const struct timespec day = {.tv_sec = 86400};
static const struct timeval limit = {.tv_sec = 86400};
static struct sockaddr_un listening;
static socklen_t listening_size = sizeof listening;
static int crammed, crowded, ring;
static int pipe_ends[2], epoll, notify, queue, semaphores, timed[2], full[2], listener;
static aio_context_t aio;
static sem_t empty;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static int futex_word;

static struct timespec tomorrow(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += 86400;
    return now;
}

/* Calls that give an error number instead of -1 and errno are turned into the latter. */
static long number_to_errno(int error)
{
    errno = error;
    return error == 0 ? 0 : -1;
}

static long do_epoll_wait(void) { struct epoll_event e; return epoll_wait(epoll, &e, 1, -1); }
static long do_epoll_wait_timed(void) { struct epoll_event e; return epoll_wait(epoll, &e, 1, 86400000); }
static long do_epoll_pwait(void)
{
    struct epoll_event e;
    sigset_t none;
    sigemptyset(&none);
    return epoll_pwait(epoll, &e, 1, -1, &none);
}
static long do_epoll_pwait2(void)
{
    struct epoll_event e;
    return syscall(441, epoll, &e, 1, &day, NULL, 8);
}
static long do_semop(void) { struct sembuf one = {.sem_num = 0, .sem_op = -1}; return semop(semaphores, &one, 1); }
static long do_semtimedop(void)
{
    struct sembuf one = {.sem_num = 0, .sem_op = -1};
    return semtimedop(semaphores, &one, 1, &day);
}
static long do_sigwaitinfo(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    return sigwaitinfo(&set, NULL);
}
static long do_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    return sigtimedwait(&set, NULL, &day);
}
static long do_sigsuspend(void) { sigset_t set; sigfillset(&set); return sigsuspend(&set); }
static long do_io_getevents(void)
{
    struct io_event event;
    return syscall(SYS_io_getevents, aio, 1L, 1L, &event, NULL);
}
static long do_msgrcv(void) { struct { long type; char text[8]; } m; return msgrcv(queue, &m, 8, 1, 0); }
static long do_recv_timed(void) { char byte; return recv(timed[0], &byte, 1, 0); }
static long do_read_timed(void) { char byte; return read(timed[0], &byte, 1); }
static long do_send_timed(void) { static char block[1 << 16]; return send(full[0], block, sizeof block, 0); }
static long do_recv(void) { char byte; return recv(full[0], &byte, 1, 0); }
static long do_inotify(void) { char event[512]; return read(notify, event, sizeof event); }
static long do_read(void) { char byte; return read(pipe_ends[0], &byte, 1); }
static long do_poll(void) { struct pollfd p = {.fd = pipe_ends[0], .events = POLLIN}; return poll(&p, 1, -1); }
static long do_poll_timed(void)
{
    struct pollfd p = {.fd = pipe_ends[0], .events = POLLIN};
    return poll(&p, 1, 86400000);
}
static long do_ppoll(void)
{
    struct pollfd p = {.fd = pipe_ends[0], .events = POLLIN};
    return ppoll(&p, 1, &day, NULL);
}
static long do_select(void)
{
    fd_set set;
    struct timeval limit = {.tv_sec = 86400};
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    return select(pipe_ends[0] + 1, &set, NULL, NULL, &limit);
}
static long do_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    return pselect(pipe_ends[0] + 1, &set, NULL, NULL, &day, NULL);
}
static long do_nanosleep(void) { return nanosleep(&day, NULL); }
static long do_clock_nanosleep(void) { return number_to_errno(clock_nanosleep(CLOCK_MONOTONIC, 0, &day, NULL)); }
static long do_sem_wait(void) { return sem_wait(&empty); }
static long do_sem_timedwait(void) { struct timespec t = tomorrow(); return sem_timedwait(&empty, &t); }
static long do_cond_timedwait(void)
{
    struct timespec t = tomorrow();
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&never, &mutex, &t);
    pthread_mutex_unlock(&mutex);
    return number_to_errno(error);
}
static long do_futex(void) { return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, &day, NULL, 0); }
static long do_pause(void) { return pause(); }
static long do_waitpid(void) { return waitpid(-1, NULL, 0); }
static long do_flock(void) { return flock(open("/proc/self/exe", O_RDONLY), LOCK_EX); }

static long do_accept_timed(void) { return accept(listener, NULL, NULL); }
static long do_connect_timed(void)
{
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connect(one, (struct sockaddr *)&listening, listening_size);
}
static long do_recvmmsg(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    struct timespec wait = day;
    return recvmmsg(timed[0], &message, 1, 0, &wait);
}
static long do_msgsnd(void)
{
    static const struct { long type; char text[8192]; } m = {2, ""};
    return msgsnd(crammed, &m, sizeof m.text, 0);
}
static long do_sigsuspend_some(void) { sigset_t set; sigemptyset(&set); return sigsuspend(&set); }
static long do_io_uring(void) { return syscall(426, ring, 0, 1, 1 /* IORING_ENTER_GETEVENTS */, NULL, 8); }

#include "eintr_more.h"

static const struct call {
    const char *name;
    long (*make)(void);
} calls[] = {
    {"epoll_wait", do_epoll_wait},       {"epoll_timed", do_epoll_wait_timed}, {"epoll_pwait", do_epoll_pwait},
    {"epoll_pwait2", do_epoll_pwait2},   {"semop", do_semop},                  {"semtimedop", do_semtimedop},
    {"sigwaitinfo", do_sigwaitinfo},     {"sigtimedwait", do_sigtimedwait},    {"sigsuspend", do_sigsuspend},
    {"io_getevents", do_io_getevents},   {"msgrcv", do_msgrcv},                {"recv_timed", do_recv_timed},
    {"read_timed", do_read_timed},       {"send_timed", do_send_timed},        {"recv", do_recv},
    {"inotify", do_inotify},             {"read", do_read},                    {"poll", do_poll},
    {"poll_timed", do_poll_timed},       {"ppoll", do_ppoll},                  {"select", do_select},
    {"pselect", do_pselect},             {"nanosleep", do_nanosleep},          {"clock_nanosl", do_clock_nanosleep},
    {"sem_wait", do_sem_wait},           {"sem_timedw", do_sem_timedwait},     {"cond_timedw", do_cond_timedwait},
    {"futex", do_futex},                 {"pause", do_pause},                  {"waitpid", do_waitpid},
    {"accept_timed", do_accept_timed},   {"flock", do_flock},                  {"connect_timed", do_connect_timed},
    {"recvmmsg", do_recvmmsg},           {"msgsnd", do_msgsnd},                {"sigsuspend_some", do_sigsuspend_some},
    {"io_uring", do_io_uring},           {"io_uring_timed", do_io_uring_timed},
    {"eventfd", do_eventfd},             {"timerfd", do_timerfd},              {"signalfd", do_signalfd},
    {"terminal", do_terminal},           {"fifo", do_fifo},                    {"write", do_write},
    {"mq_receive", do_mq_receive},       {"mq_send", do_mq_send},              {"lock", do_lock},
    {"splice", do_splice},               {"splice_full", do_splice_full},      {"sendfile", do_sendfile},
    {"readv", do_readv},                 {"writev", do_writev},                {"preadv2", do_preadv2},
    {"pwritev2", do_pwritev2},           {"recvmsg", do_recvmsg},              {"sendmsg", do_sendmsg},
    {"sendmmsg", do_sendmmsg},           {"accept4", do_accept4},              {"tcp_recv", do_tcp_recv},
    {"tcp_connect", do_tcp_connect},     {"lock_pi", do_lock_pi},              {"futex_until", do_futex_until},
    {"waitid", do_waitid},               {"sleep_until", do_sleep_until},      {"io_pgetevents", do_io_pgetevents},
};
enum { CALLS = sizeof calls / sizeof *calls };
static atomic_int interrupted[CALLS], other[CALLS];

static void *body(void *argument)
{
    const struct call *call = argument;
    size_t i = (size_t)(call - calls);
    for (;;) {
        long result = call->make();
        if (result == -1 && errno == EINTR)
            interrupted[i]++;
        else
            other[i]++;
        if (other[i] > 100)
            pause(); /* it does not block here at all: do not spin */
    }
    return NULL;
}

static void prepare_sockets(void)
{
    static char block[1 << 16];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, timed) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, full) != 0)
        die("socketpair");
    setsockopt(timed[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (send(full[0], block, sizeof block, MSG_DONTWAIT) > 0)
        ;
    setsockopt(full[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    crowded = socket(AF_UNIX, SOCK_STREAM, 0);
    sa_family_t unnamed = AF_UNIX; /* the kernel picks an abstract name */
    if (bind(listener, (struct sockaddr *)&unnamed, sizeof unnamed) != 0 || listen(listener, 1) != 0)
        die("listen");
    if (bind(crowded, (struct sockaddr *)&unnamed, sizeof unnamed) != 0 || listen(crowded, 0) != 0 ||
        getsockname(crowded, (struct sockaddr *)&listening, &listening_size) != 0 ||
        connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&listening, listening_size) != 0)
        die("crowded"); /* nobody accepts, so that the next to connect waits */
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* The child that waitpid waits for. It outlives us by a moment: System V objects must be taken away. */
static void tidy_up_after(void)
{
    sigset_t end;
    int signal;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigwait(&end, &signal);
    msgctl(queue, IPC_RMID, NULL);
    msgctl(crammed, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    unlink(fifo);
    *strrchr(fifo, '/') = 0;
    rmdir(fifo);
    _exit(0);
}

static void prepare(void)
{
    sigset_t realtime;
    sigemptyset(&realtime);
    sigaddset(&realtime, SIGRTMIN + 5);
    sigprocmask(SIG_BLOCK, &realtime, NULL);
    if (pipe(pipe_ends) != 0)
        die("pipe");
    epoll = epoll_create1(0);
    notify = inotify_init();
    queue = msgget(IPC_PRIVATE, 0600);
    crammed = msgget(IPC_PRIVATE, 0600);
    struct { long type; char text[8192]; } m = {2, ""};
    while (msgsnd(crammed, &m, sizeof m.text, IPC_NOWAIT) == 0)
        ;
    static char parameters[120]; /* struct io_uring_params */
    ring = (int)syscall(425, 4, parameters);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    sem_init(&empty, 0, 0);
    if (syscall(SYS_io_setup, 4, &aio) != 0)
        die("io_setup");
    flock(open("/proc/self/exe", O_RDONLY), LOCK_EX);
    prepare_sockets();
    prepare_more();
    if (fork() == 0)
        tidy_up_after();
}

static void report(void)
{
    for (int i = 0; i < CALLS; i++)
        printf("count %s %d %d\n", calls[i].name, interrupted[i], other[i]);
    printf("end\n");
    fflush(stdout);
}

int main(void)
{
    char byte;
    prepare();
    for (int i = 0; i < CALLS; i++)
        start(calls[i].name, body, (void *)&calls[i]);
    ready("");
    while (read(0, &byte, 1) == 1)
        report();
    return 0;
}
