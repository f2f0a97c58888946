/* A program under rules of its own, by its argument: "seccomp" filters its system calls so that a clone would
 * kill it; "userfault" handles its own page faults; "subreaper" adopts its descendants' orphans; "vfork" has a
 * thread that waits for a child which borrows its memory and never ends; "changed" has given up its user's rights. */
#include "target.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static void filter_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        die("seccomp");
}

static void handle_faults(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
    int handle = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {{(unsigned long)memory, 1 << 20}, UFFDIO_REGISTER_MODE_MISSING, 0};
    if (handle < 0 || ioctl(handle, UFFDIO_API, &api) != 0 || ioctl(handle, UFFDIO_REGISTER, &range) != 0) {
        ready("impossible");
        pause();
    }
}

static volatile int lent;

static void *lends(void *unused)
{
    pid_t parent = getpid();
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        lent = 1; /* in memory that it shares with us */
        while (getppid() == parent)
            usleep(10000);
        _exit(0);
    }
    return unused;
}

int main(int argc, char **argv)
{
    const char *rule = argc > 1 ? argv[1] : "";
    if (strcmp(rule, "vfork") == 0) {
        start("lends", lends, NULL);
        while (!lent)
            usleep(1000);
    }
    if (strcmp(rule, "changed") == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
        ready("impossible");
        pause();
    }
    if (strcmp(rule, "seccomp") == 0)
        filter_calls();
    if (strcmp(rule, "userfault") == 0)
        handle_faults();
    if (strcmp(rule, "subreaper") == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("prctl");
    ready("");
    for (;;)
        pause();
}
