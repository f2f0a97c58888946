/* One program per way to wait: the first argument says which. Threads are called a, b and c; main is main. */
/* link: -lws2_32 -lole32 */
#include <winsock2.h>

#include <objbase.h>

#include "target.h"

static CRITICAL_SECTION sections[3];
static SRWLOCK slim[2] = {SRWLOCK_INIT, SRWLOCK_INIT};
static CONDITION_VARIABLE never = CONDITION_VARIABLE_INIT;
static HANDLE mutexes[3], held[3], work[3], threads[3], other, self, watching, begun;
static DWORD tids[3], main_tid, patience = INFINITE;
static volatile unsigned long long turns;
static int ring;

/* As Microsoft's C++ library lays out a std::mutex: a slim lock, and who has it. */
static struct {
    int type;
    struct {
        void *unused;
        SRWLOCK slim;
        char spare[sizeof(void *) == 8 ? 48 : 28];
    } inner;
    DWORD owner;
    int count;
} cpp[2] = {{.type = 2}, {.type = 2}};

typedef HRESULT(WINAPI *Describe)(HANDLE, const WCHAR *);
typedef BOOL(WINAPI *Changed)(volatile void *, void *, SIZE_T, DWORD);
typedef LONG(WINAPI *Lock)(ULONG, ULONG *, ULONG_PTR *);

static void named(HANDLE thread, const WCHAR *name) {
    Describe describe = (Describe)(void *)GetProcAddress(GetModuleHandleA("kernelbase"), "SetThreadDescription");
    if (describe)
        describe(thread, name);
}

static HANDLE start(int n, LPTHREAD_START_ROUTINE routine) {
    static const WCHAR *names[] = {L"a", L"b", L"c"};
    HANDLE thread = CreateThread(NULL, 0, routine, (void *)(size_t)n, CREATE_SUSPENDED, &tids[n]);
    named(thread, names[n]);
    threads[n] = thread;
    ResumeThread(thread);
    return thread;
}

static void for_ever(void) { Sleep(INFINITE); }

/* Not inlined: debuggers shall name them. */
__attribute__((noinline)) void enter(int n) { EnterCriticalSection(&sections[n]); turns++; }
__attribute__((noinline)) void take(int n) { WaitForSingleObject(mutexes[n], patience); turns++; }

/* Say that we hold what we should, and wait until the next one does. */
static void meet(int n) {
    SetEvent(held[n]);
    WaitForSingleObject(held[(n + 1) % ring], INFINITE);
}

/* Threads in a ring: each holds its own lock and wants the next one's. */
static DWORD WINAPI in_ring(void *number) {
    int n = (int)(size_t)number;
    enter(n);
    meet(n);
    enter((n + 1) % ring);
    return 0;
}

static DWORD WINAPI in_mutex_ring(void *number) {
    int n = (int)(size_t)number;
    take(n);
    meet(n);
    take((n + 1) % ring);
    return 0;
}

/* a holds a section and wants a mutex, b the other way round. */
static DWORD WINAPI in_mixed_ring(void *number) {
    int n = (int)(size_t)number;
    n ? take(0) : enter(0);
    meet(n);
    n ? enter(0) : take(0);
    return 0;
}

static DWORD WINAPI in_slim_ring(void *number) {
    int n = (int)(size_t)number;
    AcquireSRWLockExclusive(&slim[n]);
    meet(n);
    AcquireSRWLockExclusive(&slim[1 - n]);
    return 0;
}

__attribute__((noinline)) void lock_cpp(int n) {
    AcquireSRWLockExclusive(&cpp[n].inner.slim);
    cpp[n].owner = GetCurrentThreadId();
    cpp[n].count++;
}

static DWORD WINAPI in_cpp_ring(void *number) {
    int n = (int)(size_t)number;
    lock_cpp(n);
    meet(n);
    lock_cpp(1 - n);
    return 0;
}

static DWORD WINAPI reads(void *number) {
    AcquireSRWLockShared(&slim[0]);
    SetEvent(held[(size_t)number]);
    for_ever();
    return 0;
}

static DWORD WINAPI writes(void *number) {
    AcquireSRWLockExclusive(&slim[0]);
    SetEvent(held[(size_t)number]);
    for_ever();
    return 0;
}

static DWORD WINAPI wants_to_write(void *unused) { (void)unused; AcquireSRWLockExclusive(&slim[0]); return 0; }
static DWORD WINAPI wants(void *unused) { (void)unused; enter(0); return 0; }
static DWORD WINAPI wants_mutex(void *unused) { (void)unused; take(0); return 0; }
static DWORD WINAPI wants_slim(void *unused) { (void)unused; AcquireSRWLockShared(&slim[0]); return 0; }
static DWORD WINAPI joins(void *unused) { (void)unused; WaitForSingleObject(other, INFINITE); return 0; }
static DWORD WINAPI joins_next(void *number) {
    meet((int)(size_t)number);
    WaitForSingleObject(threads[1 - (size_t)number], INFINITE);
    return 0;
}
static DWORD WINAPI naps(void *unused) { (void)unused; for_ever(); return 0; }

static DWORD WINAPI holds(void *number) {
    enter(0);
    SetEvent(held[(size_t)number]);
    for_ever();
    return 0;
}

static DWORD WINAPI ends_with_it(void *unused) { (void)unused; enter(0); return 0; }

static DWORD WINAPI spins(void *unused) {
    (void)unused;
    enter(0);
    SetEvent(held[0]);
    for (;;)
        turns++;
    return 0;
}

static DWORD WINAPI on_condition(void *unused) {
    (void)unused;
    enter(1);
    for (;;)
        SleepConditionVariableCS(&never, &sections[1], INFINITE);
    return 0;
}

/* Locks in one order only, re-entered, now and then a wait for a signal: nothing is wrong. */
static DWORD WINAPI works(void *unused) {
    (void)unused;
    for (;;) {
        enter(0);
        enter(1);
        enter(0);
        for (int i = 0; i < 2000; i++)
            turns++;
        LeaveCriticalSection(&sections[0]);
        SleepConditionVariableCS(&never, &sections[1], 1);
        WakeConditionVariable(&never);
        LeaveCriticalSection(&sections[1]);
        LeaveCriticalSection(&sections[0]);
        AcquireSRWLockExclusive(&slim[0]);
        ReleaseSRWLockExclusive(&slim[0]);
    }
    return 0;
}

/* Mutexes in one order. */
static DWORD WINAPI works_with_mutexes(void *unused) {
    (void)unused;
    for (;;) {
        take(0);
        take(1);
        for (int i = 0; i < 2000; i++)
            turns++;
        ReleaseMutex(mutexes[1]);
        ReleaseMutex(mutexes[0]);
    }
    return 0;
}

/* Slim locks, read and written, and a condition variable. */
static DWORD WINAPI works_with_slim_locks(void *unused) {
    (void)unused;
    for (;;) {
        AcquireSRWLockShared(&slim[0]);
        AcquireSRWLockExclusive(&slim[1]);
        SleepConditionVariableSRW(&never, &slim[1], 1, 0);
        ReleaseSRWLockExclusive(&slim[1]);
        ReleaseSRWLockShared(&slim[0]);
        AcquireSRWLockExclusive(&slim[0]);
        turns++;
        ReleaseSRWLockExclusive(&slim[0]);
    }
    return 0;
}

/* Everybody wants the same lock all the time, and has it for long. */
static DWORD WINAPI convoys(void *unused) {
    (void)unused;
    for (;;) {
        enter(0);
        Sleep(1);
        LeaveCriticalSection(&sections[0]);
        lock_cpp(0);
        Sleep(1);
        cpp[0].count = 0, cpp[0].owner = (DWORD)-1;
        ReleaseSRWLockExclusive(&cpp[0].inner.slim);
    }
    return 0;
}

/* One has the section and waits for what the other may only do once it waits no more: until its patience ends. */
static DWORD WINAPI gives_up(void *number) {
    int n = (int)(size_t)number;
    for (;;) {
        enter(0);
        WaitForSingleObject(work[1 + n % 2], 5);
        LeaveCriticalSection(&sections[0]);
    }
    return 0;
}

static DWORD WINAPI ends_at_once(void *unused) { (void)unused; return 0; }

/* Libraries come and go, and threads begin and end: the loader's lock is always taken by somebody. */
static DWORD WINAPI loads(void *unused) {
    (void)unused;
    for (;;) {
        HANDLE thread;
        FreeLibrary(LoadLibraryW(L"version.dll"));
        thread = CreateThread(NULL, 0, ends_at_once, NULL, 0, NULL);
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    return 0;
}

/* Each begins with another section, but none waits for its second one. */
static DWORD WINAPI tries(void *number) {
    int n = (int)(size_t)number;
    for (;;) {
        enter(n);
        if (TryEnterCriticalSection(&sections[(n + 1) % 3])) {
            turns++;
            LeaveCriticalSection(&sections[(n + 1) % 3]);
        }
        LeaveCriticalSection(&sections[n]);
    }
    return 0;
}

/* One makes work for the next, round and round. */
static DWORD WINAPI hands_on(void *number) {
    int n = (int)(size_t)number;
    for (;;) {
        WaitForSingleObject(work[n], INFINITE);
        turns++;
        ReleaseSemaphore(work[(n + 1) % 3], 1, NULL);
    }
    return 0;
}

/* The section is taken and given back before it naps: its address lies on the stack all the same. */
static DWORD WINAPI naps_after(void *unused) {
    (void)unused;
    enter(2);
    LeaveCriticalSection(&sections[2]);
    for_ever();
    return 0;
}

static void CALLBACK pooled(PTP_CALLBACK_INSTANCE unused, void *context) {
    (void)unused;
    SetEvent(context);
}

static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM wide, LPARAM longer) {
    if (message == WM_USER)
        enter(0);
    if (message == WM_USER + 1) {
        enter(1);
        LeaveCriticalSection(&sections[1]);
    }
    return DefWindowProcW(window, message, wide, longer);
}

static HWND window(void) {
    WNDCLASSW kind = {.lpfnWndProc = procedure, .hInstance = GetModuleHandleW(NULL), .lpszClassName = L"HangshotWaits"};
    RegisterClassW(&kind);
    return CreateWindowW(kind.lpszClassName, L"Waits", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 80, 80, 300, 200, NULL, NULL,
                         kind.hInstance, NULL);
}

static void pump(void) {
    MSG message;
    while (GetMessageW(&message, NULL, 0, 0) > 0)
        DispatchMessageW(&message);
}

static HWND made;

static DWORD WINAPI hung_window(void *unused) {
    (void)unused;
    made = window();
    SetEvent(held[0]);
    for_ever();
    return 0;
}

static DWORD WINAPI pumps(void *unused) {
    (void)unused;
    made = window();
    SetEvent(held[0]);
    pump();
    return 0;
}

/* A thread of COM's, which answers what is asked of its objects. */
static DWORD WINAPI apartment(void *unused) {
    (void)unused;
    CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);
    SetEvent(held[0]);
    pump();
    return 0;
}

static void rings(int size, LPTHREAD_START_ROUTINE routine) {
    ring = size;
    for (int n = 0; n < size; n++)
        start(n, routine);
}

/* A thread that does its part before the next one starts. */
static void first(LPTHREAD_START_ROUTINE routine) {
    start(0, routine);
    WaitForSingleObject(held[0], INFINITE);
}

static int is(const char *way, const char *name) { return !strcmp(way, name); }

/* What goes on beside main. */
static void beside(const char *way) {
    if (is(way, "ring2") || is(way, "ring3"))
        rings(way[4] - '0', in_ring);
    if (is(way, "mutex-ring") || is(way, "named-ring"))
        rings(2, in_mutex_ring);
    if (is(way, "cpp-ring"))
        rings(2, in_cpp_ring);
    if (is(way, "slim-readers"))
        first(reads), start(1, wants_to_write), start(2, wants_to_write);
    if (is(way, "slim-crowd"))
        first(writes), start(1, wants_slim), start(2, wants_to_write);
    if (is(way, "timed-ring"))
        patience = 86400000, rings(2, in_mutex_ring);
    if (is(way, "mixed-ring"))
        rings(2, in_mixed_ring);
    if (is(way, "slim-ring"))
        rings(2, in_slim_ring);
    if (is(way, "join-ring"))
        rings(2, joins_next);
    if (is(way, "held"))
        enter(0), start(0, wants), start(1, wants);
    if (is(way, "held-mutex"))
        take(0), start(0, wants_mutex);
    if (is(way, "held-slim"))
        AcquireSRWLockExclusive(&slim[0]), start(0, wants_slim);
    if (is(way, "orphan"))
        WaitForSingleObject(start(1, ends_with_it), INFINITE), start(0, wants);
    if (is(way, "busy-holder"))
        first(spins), start(1, wants);
    if (is(way, "join-blocked"))
        first(holds), other = start(1, wants);
    if (is(way, "join-idle"))
        other = start(0, naps);
    if (is(way, "again"))
        enter(0), enter(0), start(0, naps);
    if (is(way, "naps-after"))
        start(0, naps_after), start(1, naps_after);
    if (is(way, "window"))
        window(), start(0, on_condition), start(1, on_condition);
    if (is(way, "com"))
        first(apartment);
    if (is(way, "healthy"))
        for (int n = 0; n < 3; n++)
            start(n, works);
    if (is(way, "mutexes"))
        for (int n = 0; n < 3; n++)
            start(n, works_with_mutexes);
    if (is(way, "slims"))
        for (int n = 0; n < 3; n++)
            start(n, works_with_slim_locks);
    if (is(way, "tries"))
        for (int n = 0; n < 3; n++)
            start(n, tries);
    if (is(way, "convoy"))
        for (int n = 0; n < 3; n++)
            start(n, convoys);
    if (is(way, "gives-up"))
        for (int n = 0; n < 3; n++)
            start(n, gives_up);
    if (is(way, "loads"))
        for (int n = 0; n < 3; n++)
            start(n, loads);
    if (is(way, "queue"))
        for (int n = 0; n < 3; n++)
            start(n, hands_on);
    if (is(way, "sends"))
        first(pumps);
    if (is(way, "send-hung"))
        first(hung_window);
    if (is(way, "send-ring"))
        enter(0), first(pumps);
    if (is(way, "pool")) {
        TrySubmitThreadpoolCallback(pooled, held[0], NULL);
        WaitForSingleObject(held[0], INFINITE);
    }
}

/* The name of the first or second mutex that is shared by processes; the same for both sides. */
static HANDLE shared_mutex(const char *owner, int n) {
    WCHAR name[64];
    wsprintfW(name, L"hangshot-%hs-%d", owner, n);
    return CreateMutexW(NULL, FALSE, name);
}

static void alone_in_kernel(const char *way, const char *more) {
    HANDLE both[2] = {held[1], held[2]};
    if (is(way, "event"))
        WaitForSingleObject(held[2], INFINITE);
    if (is(way, "events"))
        WaitForMultipleObjects(2, both, FALSE, INFINITE);
    if (is(way, "holds-named"))
        WaitForSingleObject(shared_mutex(more, 0), INFINITE);
    if (is(way, "wants-named"))
        WaitForSingleObject(shared_mutex(more, 0), INFINITE);
    if (is(way, "semaphore"))
        WaitForSingleObject(CreateSemaphoreW(NULL, 0, 1, NULL), INFINITE);
    if (is(way, "timer"))
        WaitForSingleObject(CreateWaitableTimerW(NULL, TRUE, NULL), INFINITE);
    if (is(way, "process"))
        WaitForSingleObject(OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)atoi(more)),
                            INFINITE);
    if (is(way, "join-blocked") || is(way, "join-idle"))
        joins(NULL);
    if (is(way, "port"))
        GetQueuedCompletionStatus(CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1), &(DWORD){0},
                                  &(ULONG_PTR){0}, &(OVERLAPPED *){NULL}, INFINITE);
}

static void alone_outside(const char *way) {
    HANDLE one, two;
    char byte;
    DWORD count;
    if (is(way, "pipe")) {
        CreatePipe(&one, &two, NULL, 0);
        ReadFile(one, &byte, 1, &count, NULL);
    }
    if (is(way, "stdin"))
        ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &count, NULL);
    if (is(way, "socket")) {
        WSADATA told;
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        SOCKET hears = (WSAStartup(0x202, &told), socket(AF_INET, SOCK_DGRAM, 0));
        bind(hears, (struct sockaddr *)&here, sizeof here);
        recv(hears, &byte, 1, 0);
    }
}

/* What main does in the end. */
static void alone_in(const char *way, const char *more) {
    ULONG ignored;
    ULONG_PTR cookie;
    if (is(way, "self-slim"))
        AcquireSRWLockExclusive(&slim[0]), AcquireSRWLockExclusive(&slim[0]);
    if (is(way, "slim-readers") || is(way, "slim-crowd"))
        AcquireSRWLockExclusive(&slim[0]);
    if (is(way, "condition"))
        on_condition(NULL);
    if (is(way, "address")) {
        Changed wait = (Changed)(void *)GetProcAddress(GetModuleHandleA("kernelbase"), "WaitOnAddress");
        wait(&ring, &(int){0}, sizeof ring, INFINITE);
    }
    if (is(way, "spin"))
        for (;;)
            turns++;
    if (is(way, "window") || is(way, "com"))
        pump();
    if (is(way, "sends"))
        for (;;)
            SendMessageW(made, WM_USER + 1, 0, 0);
    if (is(way, "send"))
        SendMessageW((HWND)(size_t)strtoull(more, NULL, 16), WM_USER, 0, 0);
    if (is(way, "send-hung") || is(way, "send-ring"))
        SendMessageW(made, WM_USER, 0, 0);
    if (is(way, "loader")) {
        /* As a library's DllMain that waits for a thread, which cannot begin as long as libraries are loaded. */
        Lock lock = (Lock)(void *)GetProcAddress(GetModuleHandleA("ntdll"), "LdrLockLoaderLock");
        lock(0, &ignored, &cookie);
        other = start(0, naps);
        joins(NULL);
    }
    alone_in_kernel(way, more);
    alone_outside(way);
    for_ever();
}

/* Whether a thread rests: it stands in the system, where it stood before. */
static int rests(HANDLE thread, size_t *place) {
    CONTEXT context = {.ContextFlags = CONTEXT_CONTROL};
    size_t before = *place;
    SuspendThread(thread);
    GetThreadContext(thread, &context);
    ResumeThread(thread);
#ifdef _WIN64
    *place = context.Rip ^ context.Rsp;
#else
    *place = context.Eip ^ context.Esp;
#endif
    return *place == before;
}

/* Say that all is in place, once every thread rests. */
static DWORD WINAPI watch(void *busy) {
    size_t places[4] = {0};
    int still = 0;
    SetEvent(watching);
    WaitForSingleObject(begun, INFINITE);
    while (!busy && still < 10) {
        int all = rests(self, &places[3]);
        for (int n = 0; n < 3; n++)
            if (threads[n])
                all &= rests(threads[n], &places[n]);
        still = all ? still + 1 : 0;
        Sleep(5);
    }
    ready("%lu %lu %lu %lu %lx", main_tid, tids[0], tids[1], tids[2], (unsigned long)(size_t)made);
    for_ever();
    return 0;
}

/* Ways in which a thread never rests. */
static const char *restless[] = {"spin", "busy-holder", "healthy", "mutexes", "slims", "tries", "queue", "sends",
                                 "convoy", "gives-up", "loads"};

int main(int count, char **arguments) {
    const char *way = arguments[1];
    int busy = 0;
    for (int n = 0; n < (int)(sizeof restless / sizeof *restless); n++)
        busy |= is(way, restless[n]);
    if (is(way, "com"))
        CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);
    for (int n = 0; n < 3; n++) {
        InitializeCriticalSection(&sections[n]);
        mutexes[n] = is(way, "named-ring") ? shared_mutex(arguments[2], n) : CreateMutexW(NULL, FALSE, NULL);
        held[n] = CreateEventW(NULL, TRUE, FALSE, NULL);
        work[n] = CreateSemaphoreW(NULL, !n, 3, NULL);
    }
    main_tid = GetCurrentThreadId();
    watching = CreateEventW(NULL, TRUE, FALSE, NULL);
    begun = CreateEventW(NULL, TRUE, FALSE, NULL);
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE, DUPLICATE_SAME_ACCESS);
    named(self, L"main");
    named(CreateThread(NULL, 0, watch, (void *)(size_t)busy, 0, NULL), L"watch");
    WaitForSingleObject(watching, INFINITE);
    beside(way);
    SetEvent(begun);
    alone_in(way, count > 2 ? arguments[2] : "");
    return 0;
}
