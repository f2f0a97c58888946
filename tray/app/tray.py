"""The tray process: hotkey or menu → worker → toast. It holds no dump code.

Everything here runs on the loop's thread, but for the few callbacks that say
otherwise; they only look at what must be looked at at once, then post.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray import settings
from tray.app import lean, menu, words
from tray.app.fresh import look
from tray.app.keys import Keys
from tray.app.pages import Pages
from tray.app.recent import Recent
from tray.app.rows import Rows
from tray.app.view import view
from tray.desktop import Toast
from tray.errors import BadSettings, Cancelled, TrayError, Unsupported
from tray.model import Retention, Target, Trigger, Window
from tray.settings.watch import Watch
from tray.shot import Answer, Event, Explain, Shot, Worker, asked
from tray.shot.aim import aimed, caught
from tray.shot.loop import Loop
from tray.shot.words import percent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray.app.fresh import Look as Fresh
    from tray.capture import Hold
    from tray.desktop import Desktop
    from tray.desktop import Look as IconLook

log = logging.getLogger(__name__)

PANEL = 10.0
"""Seconds that a panel may start after us, as at login, before it is missed."""
ABOUT_SETTINGS = "settings"
"""Topic of what the settings file can mend."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tray keeps its files.

    Attributes:
        settings: The settings file.
        state: Folder for what it remembers: that it has said hello.
        log: The log file.
    """

    settings: Path
    state: Path
    log: Path

    @property
    def greeted(self) -> Path:
        """A file that is there once the user has been greeted."""
        return self.state / "greeted"


class App:
    """One running tray.

    Args:
        desktop: The person's desktop; closed by whoever made it.
        places: Where files are.
        start: Makes a worker.
        prepare: Called whenever there is time to get a worker ready for the next press.
        explain: Finds out more about a dump that is done.
        page: Makes the page about a dump.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a tray meets
        self,
        desktop: Desktop,
        places: Places,
        start: Callable[[Callable[[Event], None]], Worker],
        prepare: Callable[[], None] = lambda: None,
        explain: Explain = lambda _path, _told: None,
        page: Explain = lambda _path, _told: None,
    ) -> None:
        self.loop = Loop(self._failed)
        self.pages = Pages(desktop, self.loop, self.say, page)
        self.shot = Shot(
            desktop,
            self.loop,
            start,
            self.say,
            self._running_changed,
            explain,
            self.report,
        )
        self._desktop, self.places, self._prepare = desktop, places, prepare
        self.keys = Keys(desktop, self._pressed)
        self._rows = Rows(self, desktop)
        # Until they can be read nothing is removed: the user may keep more than the defaults do.
        self.settings = settings.Settings(retention=Retention())
        self._mistake = ""
        self._watch: Watch | None = None
        self._recent = Recent()
        self._fresh: Fresh | None = None
        self._looking = self._again = False
        self._shown: tuple[IconLook, str, menu.View] | None = None
        self._icon = self._quitting = False

    # ---- from start to end

    def start(self) -> bool:
        """Take everything; False if another tray runs, which has then been greeted.

        Raises:
            Unsupported: There is neither an icon nor a hotkey to be had here.
        """
        self.loop.stop_on_signals(self.end)
        if not self._desktop.claim(lambda: self.loop.post(self._greeted), self._asked):
            return False
        self._desktop.ending(lambda: self.loop.post(self.finish))
        # The watch comes first, or a change between the two would be missed.
        self._watch = Watch(self.places.settings, lambda: self.loop.post(self.reload))
        self._read_settings()
        self._follow_windows()
        problem = self.keys.use(self.settings.hotkey)
        self._icon = self._desktop.show_icon(menu.menu(self._view(), self._rows), self._tooltip(), self._near)
        if isinstance(problem, Unsupported) and not self._icon and self._blind():
            raise Unsupported("Nothing here shows tray icons or gives hotkeys.", hint=problem.hint)
        self._introduce(problem)
        self.show()
        self.look()
        self.loop.post(self._prepare)
        return True

    def run(self) -> None:
        """Serve until the user quits."""
        self.loop.run()

    def close(self) -> None:
        """Give everything back but the desktop, which is not ours."""
        if self._watch:
            self._watch.close()

    def end(self) -> None:
        """Quit; a dump that runs is cancelled first, and its end waited for."""
        self._quitting = True
        if self.shot.running:
            self.shot.cancel()
        else:
            self.loop.stop()

    def finish(self) -> None:
        """Quit, since the session ends; a dump that runs is finished first."""
        self._quitting = True
        if not self.shot.running:
            self.loop.stop()

    def _follow_windows(self) -> None:
        try:
            self._desktop.watch(self._came_to_front)
            self._desktop.approaching(self._near)
        except Unsupported as error:
            log.info("no recent apps: %s", error)

    def _blind(self) -> bool:
        """Whether nobody could ever tell us what is in front."""
        try:
            self._desktop.foreground()
        except Unsupported:
            return True
        except TrayError:
            self._desktop.dismiss(ABOUT_SETTINGS)
        return False

    # ---- what the user is told

    def say(self, toast: Toast) -> None:
        """Show a toast; where nobody shows toasts, tell the terminal we were started in."""
        if not self._desktop.toast(toast) and sys.stderr:
            print(f"hangshot: {toast.title}: {toast.body}", file=sys.stderr)

    def _introduce(self, problem: TrayError | None) -> None:
        """Say hello at the very first start, and whatever does not work at each."""
        label = self.keys.label
        if not self.places.greeted.exists():
            body = words.hello(label, self.settings.folder, icon=self._icon)
            self.say(Toast("Hello from Hangshot", body, topic="hello"))
            self.places.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.places.greeted.touch(mode=0o600)
        if not self._icon:
            self.loop.after(PANEL, self._miss_icon)
        if problem:
            self.say(self.about_settings(problem))

    def _miss_icon(self) -> None:
        """Say that there is no tray, if no panel has come meanwhile."""
        self._icon = self._desktop.show_icon(menu.menu(self._view(), self._rows), self._tooltip(), self._near)
        if not self._icon:
            self.say(Toast("There is no tray here", words.no_icon(self.keys.label), topic="icon"))

    def _greeted(self) -> None:
        body = words.running_already(self.keys.label, icon=self._icon)
        self.say(Toast("Hangshot is already running", body, topic="hello"))

    def about_settings(self, error: TrayError) -> Toast:
        """A toast about something that the settings file can mend."""
        body = "\n".join(line for line in (str(error), error.hint) if line)
        return Toast(
            error.title, body, (("Edit settings…", self._rows.edit),), self._rows.edit, topic=ABOUT_SETTINGS
        )

    def _failed(self, error: Exception) -> None:
        """The barrier: what an act raises becomes a toast, and the tray lives on."""
        if isinstance(error, TrayError):
            self.shot.fail(error)
            return
        log.error("an act failed", exc_info=error)
        self.say(Toast("Something went wrong", f"{error}\nThe log has more: {self.places.log}"))

    # ---- a dump

    def _pressed(self) -> None:
        """The hotkey went down; on the desktop's thread: what is in front must be told now."""
        try:
            target, hold = caught(self._desktop.foreground())
        except Exception as error:  # noqa: BLE001 - handed to the barrier
            problem = error
            self.loop.post(lambda: self._failed(problem))
        else:
            self.loop.post(lambda: self.fire(target, Trigger.HOTKEY, hold=hold))

    def fire(
        self,
        target: Target,
        trigger: Trigger,
        mode: str | None = None,
        answer: Answer | None = None,
        hold: Hold | None = None,
    ) -> None:
        """Dump this process, in the mode of the settings unless another is asked for; ``hold`` is let go then."""
        if self._quitting:
            if hold:
                hold.close()
            if answer:
                answer(Cancelled("The tray is being closed.").event())
            return
        chosen = mode or self.settings.mode
        self.shot.fire(target, chosen, trigger, self.settings, answer=answer, hold=hold)

    def report(self, path: Path) -> None:
        """Show what a dump tells, in the browser; called on any thread."""
        self.loop.post(lambda: self.pages.show(path))

    def _asked(self, request: str) -> str:
        """Answer ``hangshot dump --foreground``; on a thread of its own, until the dump is done."""

        def begin(mode: str | None, answer: Answer) -> None:
            try:
                target, hold = caught(self._desktop.foreground())
            except TrayError as error:
                problem = error
                self.loop.post(lambda: self.shot.fail(problem, answer))
            else:
                self.loop.post(lambda: self.fire(target, Trigger.HOTKEY, mode, answer, hold))

        return asked.answer(request, self.keys.label, begin)

    # ---- the icon and its menu

    def _came_to_front(self, window: Window) -> None:
        """Another window came to the front; on the desktop's thread."""
        try:
            target = aimed(window)
        except TrayError:
            return  # it has gone again
        self.loop.post(lambda: self._note(target))

    def _note(self, target: Target) -> None:
        self._recent.saw(target, time.monotonic())
        self.show()

    def _near(self) -> None:
        """The menu may open soon; on the desktop's thread."""
        self.loop.post(self.look)

    def look(self) -> None:
        """Have a fresh look at what the menu shows, one at a time."""
        self._again = self._looking
        if self._looking:
            return
        self._looking = True
        threading.Thread(target=self._look_now, name="look", daemon=True).start()

    def _look_now(self) -> None:
        """Look; on a thread of its own, for windows that hang take their time."""
        try:
            fresh = look(self._desktop, [seen.target for seen in self._recent], self.settings)
        except Exception as error:  # noqa: BLE001 - handed to the barrier
            problem = error
            self.loop.post(lambda: self._looked(None, problem))
        else:
            self.loop.post(lambda: self._looked(fresh))

    def _looked(self, fresh: Fresh | None, problem: Exception | None = None) -> None:
        self._looking = False
        if problem:
            log.error("could not look", exc_info=problem)
        if fresh:
            self._fresh = fresh
            self._recent.mark(fresh.hung)
            self._recent.drop(fresh.gone)
        self.show()
        if self._again:
            self.look()
        elif not self.shot.running:
            lean.tidy()

    def _running_changed(self) -> None:
        """A dump began, went on or ended."""
        self.show()
        if self.shot.running:
            return
        if self._quitting:
            self.loop.stop()
        else:
            self._prepare()
            self.look()

    def show(self) -> None:
        """Bring icon, tooltip and menu up to date; the menu only if it would look different."""
        seen, look_now, tooltip = self._view(), self._icon_look(), self._tooltip()
        if self._shown == (look_now, tooltip, seen):
            return
        fresh = None if self._shown and self._shown[2] == seen else menu.menu(seen, self._rows)
        self._shown = look_now, tooltip, seen
        self._desktop.update_icon(look_now, tooltip, fresh)

    def _icon_look(self) -> IconLook:
        if self.shot.running:
            return "busy"
        return "paused" if self.keys.paused else "idle"

    def _tooltip(self) -> str:
        running = self.shot.running
        if running:
            so_far = percent(running.done, running.total)
            return words.dumping(running.target.name, so_far, cancelled=running.cancelled)
        return words.tooltip(self.keys.label, self.keys.trouble, self.shot.last, paused=self.keys.paused)

    def _view(self) -> menu.View:
        running = self.shot.running
        return view(
            self._recent, self._fresh, self.settings, self.keys, running.target.name if running else ""
        )

    # ---- settings

    def _read_settings(self) -> bool:
        """Read the settings; False, and a toast, if they have a mistake."""
        try:
            fresh = settings.load(self.places.settings)
        except BadSettings as error:
            if str(error) != self._mistake:  # an editor may save twice
                self._mistake = str(error)
                error.hint += " The old values stay in force until then."
                self.say(self.about_settings(error))
            return False
        if fresh.warnings and fresh.warnings != self.settings.warnings:
            mistakes = BadSettings("\n".join(fresh.warnings), hint=words.REST_IN_FORCE)
            self.say(self.about_settings(mistakes))
        self.settings, self._mistake = fresh, ""
        return True

    def reload(self) -> None:
        """Read the settings again and follow them; a mistake leaves the old ones in force."""
        before = self.settings
        if not self._read_settings():
            return
        if self.settings != before:
            log.info("settings read anew")
            if self.settings.hotkey != before.hotkey:
                self._use_hotkey()
            self.show()
            self.look()
        if not self.settings.warnings and self.keys.obey(self.settings.hotkey):
            self._desktop.dismiss(ABOUT_SETTINGS)

    def _use_hotkey(self) -> None:
        """Bind the hotkey of the settings; if it cannot be, the one before stays."""
        problem = self.keys.use(self.settings.hotkey)
        if problem:
            stays = f"{self.keys.label} stays in force.\n" if self.keys.label else ""
            problem.hint = stays + problem.hint
            self.say(self.about_settings(problem))
