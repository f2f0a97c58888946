/* A worker waits in a call that was put into its caller; a PDB lies beside the program, where clang can write one. */
/* pdb */
#include "target.h"

static CRITICAL_SECTION section;
static LONG entered;

static inline __attribute__((always_inline)) void enter(CRITICAL_SECTION *one) {
    EnterCriticalSection(one);
    InterlockedIncrement(&entered);
}

__attribute__((noinline)) static void save(void) {
    enter(&section);
    InterlockedIncrement(&entered);
}

static DWORD WINAPI work(void *nothing) {
    (void)nothing;
    save();
    return 0;
}

int main(void) {
    DWORD tid;
    InitializeCriticalSection(&section);
    LONG before = section.LockCount;
    EnterCriticalSection(&section);
    LONG unwaited = section.LockCount;
    CloseHandle(CreateThread(NULL, 0, work, NULL, 0, &tid));
    while (*(volatile LONG *)&section.LockCount == unwaited)
        Sleep(1);
    ready("%lu %ld", tid, before);
    stay();
    return 0;
}
