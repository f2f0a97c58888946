/* For eintr.c: calls that wait for files of every kind, for locks, for mail and for the network. */
#ifndef EINTR_MORE_H
#define EINTR_MORE_H

#include <mqueue.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int terminal, event_file, timer_file, signal_file, crammed_pipe[2], dry_pipe[2], locked_file, tcp, tcp_listener;
static mqd_t no_mail, full_mail;
static struct sockaddr_in tcp_crowded;
static char fifo[] = "/tmp/hangshot-fifo-XXXXXX/x";
static pthread_mutex_t inherits;
static char block[1 << 16];
static struct iovec one_byte = {block, 1}, whole_block = {block, sizeof block};

static long do_eventfd(void) { uint64_t count; return read(event_file, &count, sizeof count); }
static long do_timerfd(void) { uint64_t count; return read(timer_file, &count, sizeof count); }
static long do_signalfd(void) { struct signalfd_siginfo s; return read(signal_file, &s, sizeof s); }
static long do_terminal(void) { char byte; return read(terminal, &byte, 1); }
static long do_fifo(void) { return open(fifo, O_RDONLY); }
static long do_write(void) { return write(crammed_pipe[1], "x", 1); }
static long do_mq_receive(void) { char text[64]; return mq_receive(no_mail, text, sizeof text, NULL); }
static long do_mq_send(void) { struct timespec t = tomorrow(); return mq_timedsend(full_mail, "x", 1, 0, &t); }
static long do_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(locked_file, F_OFD_SETLKW, &lock);
}
static long do_splice(void) { return splice(timed[0], NULL, dry_pipe[1], NULL, 1, 0); }
static long do_splice_full(void) { return splice(timed[0], NULL, crammed_pipe[1], NULL, 1, 0); }
static long do_sendfile(void) { off_t begin = 0; return sendfile(full[0], locked_file, &begin, sizeof block); }
static long do_readv(void) { return readv(timed[0], &one_byte, 1); }
static long do_writev(void) { return writev(full[0], &whole_block, 1); }
static long do_preadv2(void) { return preadv2(timed[0], &one_byte, 1, -1, 0); }
static long do_pwritev2(void) { return pwritev2(full[0], &whole_block, 1, -1, 0); }
static long do_recvmsg(void) { struct msghdr m = {.msg_iov = &one_byte, .msg_iovlen = 1}; return recvmsg(timed[0], &m, 0); }
static long do_sendmsg(void) { struct msghdr m = {.msg_iov = &whole_block, .msg_iovlen = 1}; return sendmsg(full[0], &m, 0); }
static long do_sendmmsg(void)
{
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &whole_block, .msg_iovlen = 1}};
    return sendmmsg(full[0], &message, 1, 0);
}
static long do_accept4(void) { return accept4(tcp_listener, NULL, NULL, 0); }
static long do_tcp_recv(void) { char byte; return recv(tcp, &byte, 1, 0); }
static long do_tcp_connect(void)
{
    int one = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connect(one, (struct sockaddr *)&tcp_crowded, sizeof tcp_crowded);
}
static long do_lock_pi(void) { return number_to_errno(pthread_mutex_lock(&inherits)); }
static long do_futex_until(void)
{
    struct timespec t = tomorrow();
    return syscall(SYS_futex, &futex_word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1);
}
static long do_waitid(void) { siginfo_t found; return waitid(P_ALL, 0, &found, WEXITED); }
static long do_sleep_until(void)
{
    struct timespec t = tomorrow();
    return number_to_errno(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
}
static long do_io_pgetevents(void)
{
    struct io_event event;
    return syscall(333, aio, 1L, 1L, &event, &day, NULL);
}
static long do_io_uring_timed(void)
{
    struct { uint64_t mask; uint32_t size, unused; uint64_t time; } wait = {0, 8, 0, (uint64_t)&day};
    return syscall(426, ring, 0, 1, 9 /* IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG */, &wait, sizeof wait);
}

static void prepare_files(void)
{
    sigset_t realtime;
    int other_end = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(other_end);
    unlockpt(other_end);
    terminal = open(ptsname(other_end), O_RDWR | O_NOCTTY);
    event_file = eventfd(0, 0);
    timer_file = timerfd_create(CLOCK_MONOTONIC, 0);
    sigemptyset(&realtime);
    sigaddset(&realtime, SIGRTMIN + 6);
    signal_file = signalfd(-1, &realtime, 0);
    if (pipe(dry_pipe) != 0 || pipe2(crammed_pipe, O_NONBLOCK) != 0)
        die("pipe");
    while (write(crammed_pipe[1], block, sizeof block) > 0)
        ;
    fcntl(crammed_pipe[1], F_SETFL, 0);
    locked_file = memfd_create("locked", 0);
    char again[40];
    snprintf(again, sizeof again, "/proc/self/fd/%d", locked_file);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (ftruncate(locked_file, sizeof block) != 0 || fcntl(open(again, O_RDWR), F_OFD_SETLKW, &lock) != 0)
        die("lock");
    fifo[strlen(fifo) - 2] = 0;
    if (!mkdtemp(fifo))
        die("mkdtemp");
    fifo[strlen(fifo)] = '/';
    if (mkfifo(fifo, 0600) != 0)
        die("mkfifo");
}

static mqd_t mail(const char *kind)
{
    struct mq_attr room = {.mq_maxmsg = 1, .mq_msgsize = 64};
    char name[60];
    snprintf(name, sizeof name, "/hangshot-%s-%d", kind, getpid());
    mqd_t found = mq_open(name, O_CREAT | O_RDWR, 0600, &room);
    if (found < 0)
        die("mq_open");
    mq_unlink(name);
    return found;
}

static int tcp_listens(struct sockaddr_in *at, int backlog)
{
    socklen_t size = sizeof *at;
    int found = socket(AF_INET, SOCK_STREAM, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(found, (struct sockaddr *)at, size) != 0 || listen(found, backlog) != 0 ||
        getsockname(found, (struct sockaddr *)at, &size) != 0)
        die("listen");
    setsockopt(found, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return found;
}

static void prepare_network(void)
{
    struct sockaddr_in at;
    tcp_listener = tcp_listens(&at, 5);
    tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(tcp, (struct sockaddr *)&at, sizeof at) != 0 || accept(tcp_listener, NULL, NULL) < 0)
        die("connect");
    setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    tcp_listens(&tcp_crowded, 0);
    for (int i = 0; i < 2; i++) /* nobody accepts, so that the next to connect waits */
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&tcp_crowded, sizeof tcp_crowded);
}

static void prepare_more(void)
{
    pthread_mutexattr_t kind;
    prepare_files();
    prepare_network();
    no_mail = mail("none");
    full_mail = mail("full");
    mq_send(full_mail, "x", 1, 0);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inherits, &kind);
    pthread_mutex_lock(&inherits);
}

#endif
