/* A window whose workers are deadlocked while it answers; "hung" as its argument makes the window hang too. */
/* link: -lgdi32 */
#include "target.h"

#include "deadlock.h"

static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM wide, LPARAM longer) {
    if (message == WM_DESTROY)
        PostQuitMessage(0);
    return DefWindowProcW(window, message, wide, longer);
}

int main(int count, char **arguments) {
    DWORD tids[2];
    MSG message;
    WNDCLASSW kind = {.lpfnWndProc = procedure, .hInstance = GetModuleHandleW(NULL), .lpszClassName = L"HangshotTarget"};
    HWND window;

    (void)arguments;
    kind.hbrBackground = GetSysColorBrush(COLOR_WINDOW);
    RegisterClassW(&kind);
    window = CreateWindowW(kind.lpszClassName, L"Deadlocked \u00fc", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 80, 80, 500, 300,
                           NULL, NULL, kind.hInstance, NULL);
    SetForegroundWindow(window);
    UpdateWindow(window);
    deadlock(tids);
    while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
        DispatchMessageW(&message);
    ready("%lu %lu %lx", tids[0], tids[1], (unsigned long)(size_t)window);
    if (count > 1) {
        EnterCriticalSection(&sections[0]);
    }
    while (GetMessageW(&message, NULL, 0, 0) > 0) {
        TranslateMessage(&message);
        DispatchMessageW(&message);
    }
    return 0;
}
