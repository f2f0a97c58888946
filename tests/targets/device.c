/* A mapping of a device: what reads of it would do is the driver's business, so a dump must not try. */
#include "target.h"
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void *perf_ring(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_DUMMY};
    int event = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    return event < 0 ? MAP_FAILED : mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
}

int main(void)
{
    char where[64];
    void *memory = perf_ring();
    snprintf(where, sizeof where, "%p", memory == MAP_FAILED ? NULL : memory);
    ready(where);
    for (;;)
        pause();
}
