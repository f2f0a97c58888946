/* As many threads as asked for, each some calls deep, all waiting for the same event. */
#include "target.h"

static HANDLE event;
static volatile LONG waiting;

/* Not inlined and not static: debuggers shall name it. */
__attribute__((noinline)) void deeper(int calls) {
    if (calls > 0) {
        deeper(calls - 1);
        InterlockedDecrement(&waiting); /* so that the call is no jump */
        return;
    }
    InterlockedIncrement(&waiting);
    WaitForSingleObject(event, INFINITE);
}

DWORD WINAPI waiter(void *calls) {
    deeper((int)(size_t)calls);
    return 0;
}

int main(int count, char **words) {
    int wanted = count > 1 ? atoi(words[1]) : 10;
    event = CreateEvent(NULL, TRUE, FALSE, NULL);
    for (int i = 0; i < wanted; i++)
        CloseHandle(CreateThread(NULL, 65536, waiter, (void *)8, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL));
    while (waiting < wanted)
        Sleep(1);
    ready("%d", wanted);
    stay();
    return 0;
}
