"""Which window is meant, over a screen that tests put together from windows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tray.desktop import windows_front
from tray.desktop.windows_front import CORE, FRAME, GHOST, Front
from tray.errors import NoTarget
from tray.model import Window

OWN, DWM, HOST, SHELL = 1, 2, 3, 4


@dataclass
class Pane:
    """A window of the fake screen."""

    pid: int
    title: str = ""
    kind: str = "Edit"
    root: int = 0
    behind: int = 0
    parts: tuple[int, ...] = ()
    seen: bool = True
    frozen: bool = False
    answers: bool | None = True


class FakeScreen:
    """Windows by number, the frontmost first."""

    def __init__(self, **panes: Pane) -> None:
        self.panes = {int(name.strip("w")): pane for name, pane in panes.items()}
        self.front = next(iter(self.panes), 0)
        self.asked: list[int] = []
        self.actives = 0

    def active(self) -> int:
        self.actives += 1
        return self.front

    def kind(self, window: int) -> str:
        return self.panes[window].kind if window in self.panes else ""

    def title(self, window: int) -> str:
        return self.panes[window].title if window in self.panes else ""

    def owner(self, window: int) -> tuple[int, int]:
        return (self.panes[window].pid, window * 10) if window in self.panes else (0, 0)

    def root(self, window: int) -> int:
        return self.panes[window].root or window if window in self.panes else 0

    def frozen_behind(self, ghost: int) -> int:
        return self.panes[ghost].behind

    def parts(self, window: int) -> tuple[int, ...]:
        return self.panes[window].parts

    def stacked(self) -> list[int]:
        return list(self.panes)

    def seen(self, window: int) -> bool:
        return self.panes[window].seen

    def frozen(self, window: int) -> bool:
        return self.panes[window].frozen

    def answers(self, window: int, patience: float) -> bool | None:
        self.asked.append(window)
        return self.panes[window].answers


def front(screen: FakeScreen) -> Window:
    """What is meant."""
    return Front(screen, OWN).now()


def test_plain_window():
    """An app's own window: its process, title and thread; whether it hangs is not asked."""
    assert front(FakeScreen(w1=Pane(70, "letter"))) == Window(70, "letter", thread=10)


def test_dialog():
    """A dialog stands for the window that it belongs to in the end."""
    screen = FakeScreen(w1=Pane(70, "Save?", root=2), w2=Pane(70, "letter"))
    assert front(screen) == Window(70, "letter", thread=20)


def test_ghost():
    """The frozen app is meant, never dwm.exe, which shows the ghost."""
    screen = FakeScreen(
        w1=Pane(DWM, "letter (Not Responding)", GHOST, behind=2), w2=Pane(70, "letter", seen=False)
    )
    assert front(screen) == Window(70, "letter", thread=20)


def test_ghost_that_windows_does_not_name():
    """Then the frozen window whose title it repeats, the longest one, in any language."""
    screen = FakeScreen(
        w1=Pane(DWM, "letter 2 (Keine Rückmeldung)", GHOST),
        w2=Pane(71, "letter", frozen=True),
        w3=Pane(72, "letter 2", frozen=True),
        w4=Pane(73, "letter 2 (Keine", frozen=False),
        w5=Pane(74, "", frozen=True),
    )
    assert front(screen).pid == 72


def test_ghost_of_nobody_is_said():
    """Better no target than dwm.exe."""
    screen = FakeScreen(w1=Pane(DWM, "letter", GHOST), w2=Pane(70, "other", frozen=True))
    with pytest.raises(NoTarget, match="frozen") as told:
        front(screen)
    assert told.value.hint


def test_packaged_app():
    """The app in the frame is meant, under the frame's title."""
    screen = FakeScreen(
        w1=Pane(HOST, "Mail", FRAME, parts=(2, 3, 4)),
        w2=Pane(HOST, "", "TitleBar"),
        w3=Pane(HOST, "", CORE),
        w4=Pane(70, "", CORE),
    )
    assert front(screen) == Window(70, "Mail", thread=40)


def test_empty_frame_is_said():
    """A minimised packaged app has nothing in its frame; the frame's host is not meant."""
    with pytest.raises(NoTarget, match="in front"):
        front(FakeScreen(w1=Pane(HOST, "Mail", FRAME)))


@pytest.mark.parametrize("kind", ["Progman", "WorkerW", "Shell_TrayWnd", CORE, "#32769"])
def test_behind_the_shell(kind: str):
    """With the desktop, taskbar or start menu in front, the topmost app to be seen is meant."""
    screen = FakeScreen(w1=Pane(SHELL, "", kind), w2=Pane(70, seen=False), w3=Pane(71, "letter"))
    assert front(screen).pid == 71


def test_behind_ourselves_the_last_one_is_meant():
    """That was in front and still is there, not the topmost one."""
    screen = FakeScreen(w1=Pane(OWN, "menu"), w2=Pane(70), w3=Pane(71), w4=Pane(72))
    judged = Front(screen, OWN)
    for window in (2, 4, 3, 4):
        assert judged.came(window)
    assert judged.came(1) is None
    assert judged.now().pid == 72
    del screen.panes[4]
    assert judged.now().pid == 71


def test_a_ghost_that_nobody_knows_is_no_app_that_came():
    """An event cannot be answered with an error."""
    assert Front(FakeScreen(w1=Pane(DWM, "x", GHOST)), OWN).came(1) is None


def test_nothing_in_front(monkeypatch: pytest.MonkeyPatch):
    """While the focus moves nothing is in front; it is asked again before that is said."""
    monkeypatch.setattr(windows_front, "PAUSE", 0)
    screen = FakeScreen()
    with pytest.raises(NoTarget):
        front(screen)
    assert screen.actives == windows_front.TRIES


@pytest.mark.parametrize(
    ("panes", "hung"),
    [
        ({"w1": Pane(70)}, False),
        ({"w1": Pane(70, answers=False)}, True),
        ({"w1": Pane(70, answers=None)}, None),
        ({"w1": Pane(70, frozen=True)}, True),
        ({"w1": Pane(70, seen=False)}, None),
        ({"w1": Pane(71)}, None),
        ({"w1": Pane(DWM, kind=GHOST, behind=2), "w2": Pane(70, seen=False)}, True),
        ({"w1": Pane(DWM, kind=GHOST, behind=2), "w2": Pane(71), "w3": Pane(70)}, False),
    ],
)
def test_hung(panes: dict[str, Pane], *, hung: bool | None):
    """A ghost, Windows' own word, or a message that is not taken; None without a window."""
    assert Front(FakeScreen(**panes), OWN).hung(Window(70), 0.01) is hung


def test_hung_asks_the_thread_that_was_in_front():
    """One of several threads with windows may hang; the one that was told of counts."""
    screen = FakeScreen(w1=Pane(70), w2=Pane(70, answers=False))
    assert Front(screen, OWN).hung(Window(70, thread=20), 0.01) is True
    assert screen.asked == [2]


def test_a_window_known_to_be_frozen_is_sent_nothing():
    """Windows has told already."""
    screen = FakeScreen(w1=Pane(70, frozen=True))
    assert Front(screen, OWN).hung(Window(70), 0.01)
    assert screen.asked == []
