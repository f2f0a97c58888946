"""Calls and objects of Windows that block, in words: what a thread does that is in one.

Source: learn.microsoft.com/windows/win32; Windows SDK ``wct.h`` for the kinds of the Wait Chain API.
"""

from __future__ import annotations

from tray.verdicts import WaitKind

SYSTEM = frozenset(
    {
        "ntdll.dll",
        "kernelbase.dll",
        "kernel32.dll",
        "win32u.dll",
        "user32.dll",
        "ws2_32.dll",
        "mswsock.dll",
        "rpcrt4.dll",
        "combase.dll",
        "ole32.dll",
    }
)
"""Libraries of the system whose calls say what the program asked it for."""

SENDS = frozenset({"SendMessageW", "SendMessageA", "SendMessageTimeoutW", "SendMessageTimeoutA"})
"""Calls that wait for a window's answer."""

_TYPED = ("ReadConsoleW", "ReadConsoleA", "ReadConsoleInputW", "ReadConsoleInputA")
_INITIALISES = "waits for another thread to finish an initialisation"
_MESSAGES = "waits for window messages"

CALLS = {
    "RtlEnterCriticalSection": (WaitKind.MUTEX, "waits for a critical section"),
    "RtlAcquireSRWLockExclusive": (WaitKind.RWLOCK, "waits for a slim reader-writer lock"),
    "RtlAcquireSRWLockShared": (WaitKind.RWLOCK, "waits for a slim reader-writer lock"),
    "RtlSleepConditionVariableCS": (WaitKind.CONDITION, "waits for a condition variable"),
    "RtlSleepConditionVariableSRW": (WaitKind.CONDITION, "waits for a condition variable"),
    "RtlWaitOnAddress": (WaitKind.FUTEX, "waits for a value in its memory to change"),
    "RtlBarrier": (WaitKind.FUTEX, "waits for other threads at a barrier"),
    "RtlRunOnceBeginInitialize": (WaitKind.FUTEX, _INITIALISES),
    "RtlRunOnceExecuteOnce": (WaitKind.FUTEX, _INITIALISES),
    "TpWaitForWork": (WaitKind.FUTEX, "waits for the thread pool"),
    "TpWaitForTimer": (WaitKind.FUTEX, "waits for the thread pool"),
    "TpWaitForWait": (WaitKind.FUTEX, "waits for the thread pool"),
    "TpWaitForIoCompletion": (WaitKind.FUTEX, "waits for the thread pool"),
    **dict.fromkeys(SENDS, (WaitKind.MESSAGE, "waits for an answer from a window")),
    "GetMessageW": (WaitKind.EVENTS, _MESSAGES),
    "GetMessageA": (WaitKind.EVENTS, _MESSAGES),
    "WaitMessage": (WaitKind.EVENTS, _MESSAGES),
    "MsgWaitForMultipleObjects": (WaitKind.EVENTS, _MESSAGES),
    "MsgWaitForMultipleObjectsEx": (WaitKind.EVENTS, _MESSAGES),
    "recv": (WaitKind.FILE, "receives from a socket"),
    "recvfrom": (WaitKind.FILE, "receives from a socket"),
    "WSARecv": (WaitKind.FILE, "receives from a socket"),
    "WSARecvFrom": (WaitKind.FILE, "receives from a socket"),
    "send": (WaitKind.FILE, "sends to a socket"),
    "sendto": (WaitKind.FILE, "sends to a socket"),
    "WSASend": (WaitKind.FILE, "sends to a socket"),
    "WSASendTo": (WaitKind.FILE, "sends to a socket"),
    "accept": (WaitKind.FILE, "waits for a connection on a socket"),
    "WSAAccept": (WaitKind.FILE, "waits for a connection on a socket"),
    "connect": (WaitKind.FILE, "connects a socket"),
    "WSAConnect": (WaitKind.FILE, "connects a socket"),
    "select": (WaitKind.EVENTS, "waits for sockets"),
    "WSAPoll": (WaitKind.EVENTS, "waits for sockets"),
    "getaddrinfo": (WaitKind.FILE, "asks for the address of a host"),
    "GetAddrInfoW": (WaitKind.FILE, "asks for the address of a host"),
    "GetAddrInfoExW": (WaitKind.FILE, "asks for the address of a host"),
    "gethostbyname": (WaitKind.FILE, "asks for the address of a host"),
    "ConnectNamedPipe": (WaitKind.FILE, "waits for somebody to connect to a pipe"),
    "WaitNamedPipeW": (WaitKind.FILE, "waits for a pipe"),
    **dict.fromkeys(_TYPED, (WaitKind.FILE, "waits for somebody to type in its console")),
    "NdrClientCall2": (WaitKind.PROCESS, "waits for another process (RPC)"),
    "NdrClientCall3": (WaitKind.PROCESS, "waits for another process (RPC)"),
    "NdrClientCall4": (WaitKind.PROCESS, "waits for another process (RPC)"),
    "CoCreateInstance": (WaitKind.PROCESS, "waits for a COM object to be made"),
    "CoCreateInstanceEx": (WaitKind.PROCESS, "waits for a COM object to be made"),
    "CoGetClassObject": (WaitKind.PROCESS, "waits for a COM object to be made"),
}
"""Exported function → kind and words, of those that a program calls to wait."""

STUBS = {
    "NtDelayExecution": (WaitKind.SLEEP, "sleeps"),
    "NtYieldExecution": (WaitKind.SLEEP, "yields"),
    "NtSuspendThread": (WaitKind.SLEEP, "is suspended"),
    "NtWaitForAlertByThreadId": (WaitKind.FUTEX, "waits for a lock or event that names no owner"),
    "NtWaitForKeyedEvent": (WaitKind.FUTEX, "waits for a lock or event that names no owner"),
    "NtWaitForSingleObject": (WaitKind.FUTEX, "waits for an object of the system"),
    "NtSignalAndWaitForSingleObject": (WaitKind.FUTEX, "waits for an object of the system"),
    "NtWaitForMultipleObjects": (WaitKind.FUTEX, "waits for objects of the system"),
    "NtRemoveIoCompletion": (WaitKind.EVENTS, "waits for work"),
    "NtRemoveIoCompletionEx": (WaitKind.EVENTS, "waits for work"),
    "NtWaitForWorkViaWorkerFactory": (WaitKind.EVENTS, "waits for work"),
    "NtUserGetMessage": (WaitKind.EVENTS, _MESSAGES),
    "NtUserPeekMessage": (WaitKind.EVENTS, _MESSAGES),
    "NtUserWaitMessage": (WaitKind.EVENTS, _MESSAGES),
    "NtUserMsgWaitForMultipleObjectsEx": (WaitKind.EVENTS, _MESSAGES),
    "NtUserRealInternalGetMessage": (WaitKind.EVENTS, _MESSAGES),
    "NtUserRealWaitMessageEx": (WaitKind.EVENTS, _MESSAGES),
    "NtNotifyChangeDirectoryFile": (WaitKind.EVENTS, "waits for a folder to change"),
    "NtNotifyChangeDirectoryFileEx": (WaitKind.EVENTS, "waits for a folder to change"),
    "NtNotifyChangeKey": (WaitKind.EVENTS, "waits for the registry to change"),
    "NtNotifyChangeMultipleKeys": (WaitKind.EVENTS, "waits for the registry to change"),
    "NtReadFile": (WaitKind.FILE, "reads from a file or pipe"),
    "NtReadFileScatter": (WaitKind.FILE, "reads from a file"),
    "NtWriteFile": (WaitKind.FILE, "writes to a file or pipe"),
    "NtWriteFileGather": (WaitKind.FILE, "writes to a file"),
    "NtFlushBuffersFile": (WaitKind.FILE, "waits for the disk to take a file"),
    "NtFlushBuffersFileEx": (WaitKind.FILE, "waits for the disk to take a file"),
    "NtLockFile": (WaitKind.FILE, "waits for a lock on a file"),
    "NtDeviceIoControlFile": (WaitKind.FILE, "asks a driver"),
    "NtFsControlFile": (WaitKind.FILE, "asks a file system or pipe"),
    "NtCreateFile": (WaitKind.FILE, "opens a file"),
    "NtOpenFile": (WaitKind.FILE, "opens a file"),
    "NtQueryDirectoryFile": (WaitKind.FILE, "lists a folder"),
    "NtQueryDirectoryFileEx": (WaitKind.FILE, "lists a folder"),
    "NtQueryAttributesFile": (WaitKind.FILE, "looks for a file"),
    "NtQueryFullAttributesFile": (WaitKind.FILE, "looks for a file"),
    "NtCancelIoFile": (WaitKind.FILE, "waits for a driver to give up a request"),
    "NtCancelIoFileEx": (WaitKind.FILE, "waits for a driver to give up a request"),
    "NtCancelSynchronousIoFile": (WaitKind.FILE, "waits for a driver to give up a request"),
    "NtAlpcSendWaitReceivePort": (WaitKind.KERNEL, "waits for a message of another process (ALPC)"),
    "NtAlpcConnectPort": (WaitKind.PROCESS, "waits for another process to take a connection (ALPC)"),
    "NtRequestWaitReplyPort": (WaitKind.PROCESS, "waits for an answer of another process (LPC)"),
    "NtReplyWaitReceivePort": (WaitKind.EVENTS, "waits for requests of other processes"),
}
"""System call → kind and words, where no call further out says more."""

FILES = {
    "NtReadFile": "reads from",
    "NtReadFileScatter": "reads from",
    "NtWriteFile": "writes to",
    "NtWriteFileGather": "writes to",
    "NtFlushBuffersFile": "waits for the disk to take",
    "NtFlushBuffersFileEx": "waits for the disk to take",
    "NtLockFile": "waits for a lock on",
    "NtDeviceIoControlFile": "asks the driver of",
    "NtFsControlFile": "asks the file system of",
    "NtQueryDirectoryFile": "lists",
    "NtQueryDirectoryFileEx": "lists",
}
"""System call whose first argument is a file's handle → words before its name."""

OBJECTS = {
    "Event": (WaitKind.FUTEX, "waits for an event"),
    "Mutant": (WaitKind.MUTEX, "waits for a mutex"),
    "Semaphore": (WaitKind.SEMAPHORE, "waits for a semaphore"),
    "Thread": (WaitKind.JOIN, "waits for a thread to end"),
    "Process": (WaitKind.PROCESS, "waits for a process to end"),
    "Timer": (WaitKind.SLEEP, "waits for a timer"),
    "File": (WaitKind.FILE, "waits for a file, pipe or device"),
    "Job": (WaitKind.PROCESS, "waits for a job of other processes"),
    "IoCompletion": (WaitKind.EVENTS, "waits for work"),
}
"""Kind of object that a handle leads to → kind and words."""

REASONS = {
    "CriticalSection": (WaitKind.MUTEX, "waits for a critical section"),
    "SendMessage": (WaitKind.MESSAGE, "waits for an answer from a window"),
    "Mutex": (WaitKind.MUTEX, "waits for a mutex"),
    "ALPC": (WaitKind.MESSAGE, "waits for the answer to a request (ALPC)"),
    "COM": (WaitKind.MESSAGE, "waits for the answer to a COM call"),
    "ThreadWait": (WaitKind.JOIN, "waits for a thread to end"),
    "ProcessWait": (WaitKind.PROCESS, "waits for a process to end"),
    "ComActivation": (WaitKind.PROCESS, "waits for a COM object to be made"),
    "SocketIo": (WaitKind.FILE, "waits for a connection to another machine"),
    "SmbIo": (WaitKind.FILE, "waits for a network share (SMB)"),
}
"""What the Wait Chain API calls a wait → kind and words."""

SURE_OTHERWISE = (WaitKind.SLEEP, WaitKind.CONDITION, WaitKind.RWLOCK)
"""Kinds that a thread's own calls prove, whatever the Wait Chain API saw before."""
