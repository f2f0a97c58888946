/* Two threads, each holding one critical section and waiting for the other's. */
static CRITICAL_SECTION sections[2];
static LONG unwaited[2];
static HANDLE holding[2];

/* Not inlined and not static: debuggers shall name it. */
__attribute__((noinline)) void take_second(int first) {
    EnterCriticalSection(&sections[1 - first]);
}

DWORD WINAPI worker(void *number) {
    int first = (int)(size_t)number;
    EnterCriticalSection(&sections[first]);
    unwaited[first] = sections[first].LockCount;
    SetEvent(holding[first]);
    WaitForSingleObject(holding[1 - first], INFINITE);
    take_second(first);
    return 0;
}

/* Start both and return when each waits: a lock count differs from that of a section nobody waits for. */
static inline void deadlock(DWORD tids[2]) {
    for (int i = 0; i < 2; i++) {
        InitializeCriticalSection(&sections[i]);
        holding[i] = CreateEvent(NULL, TRUE, FALSE, NULL);
    }
    for (int i = 0; i < 2; i++)
        CloseHandle(CreateThread(NULL, 0, worker, (void *)(size_t)i, 0, &tids[i]));
    for (int i = 0; i < 2; i++) {
        WaitForSingleObject(holding[i], INFINITE);
        while (*(volatile LONG *)&sections[i].LockCount == unwaited[i])
            Sleep(1);
    }
}
