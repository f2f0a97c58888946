/* Two worker threads deadlocked on critical sections; the main thread reads standard input. */
#include "target.h"

#include "deadlock.h"

int main(void) {
    DWORD tids[2];
    deadlock(tids);
    ready("%lu %lu", tids[0], tids[1]);
    stay();
    return 0;
}
