"""The connection to the session bus, and the one tray that may run on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from peers import connected
from screen import until

from tray.desktop import instance
from tray.desktop.bus import Bus, BusError, Peer
from tray.desktop.errands import Errands
from tray.desktop.instance import TRAY, Instance
from tray.desktop.served import Method, Property, Served
from tray.errors import CaptureFailed

pytestmark = [pytest.mark.linux, pytest.mark.desktop]
ECHO = Peer("org.example.Echo", "/echo", "org.example.Echo")


@pytest.fixture
def ours():
    """Our connection, to whatever bus there is."""
    ours = Bus()
    yield ours
    ours.close()


@pytest.fixture
def peer(bus):
    """Another program on the bus."""
    yield from connected()


@pytest.fixture
def errands():
    """Where callbacks run."""
    errands = Errands()
    yield errands
    errands.close()


@pytest.fixture
def trays(bus):
    """Makes instances, each with a connection of its own as another process has."""
    made = []

    def tray() -> Instance:
        connection, errands = Bus(), Errands()
        made.append((Instance(connection, errands), errands, connection))
        return made[-1][0]

    yield tray
    for parts in made:
        for part in parts:
            part.close()


def test_no_bus(homes, ours):
    """It is a plain failure, each time it is asked, and costs no thread."""
    assert not ours.reachable
    with pytest.raises(BusError):
        ours.owned("org.example.X")
    ours.post(lambda: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "bus"]


@pytest.mark.parametrize("address", ["unix:path=/nowhere", "nonsense", "unix:bad"])
def test_address_of_no_bus(homes, ours, monkeypatch, address):
    """A dead or damaged address is as good as none."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    assert not ours.reachable


def test_bus_in_the_runtime_folder(bus, ours, monkeypatch):
    """Where the variable got lost, as after su, systemd's usual place is tried."""
    (Path(os.environ["XDG_RUNTIME_DIR"]) / "bus").symlink_to(bus.folder / "bus")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    assert ours.reachable


def test_errors_carry_their_name(bus, ours):
    """Decisions are made on the error's name, not its text."""
    with pytest.raises(BusError) as caught:
        ours.call(ECHO, "Say", start=False)
    assert caught.value.nobody


def test_lost_bus(bus, ours, expected_warnings):
    """Said once in the log; what needs the bus fails at once, and nothing hangs."""
    assert ours.reachable
    bus.kill()
    until(lambda: not ours.reachable, "the loss to be seen")
    with pytest.raises(BusError):
        ours.owned("org.example.X")
    ours.post(lambda: None)
    assert len(expected_warnings.messages) == 1


def test_bus_lost_under_a_call(bus, ours, peer, expected_warnings):
    """A call that waits for ever ends with the bus."""
    failed = threading.Event()
    ours.connection()
    own_name = peer.bus.unique_name

    def ask() -> None:
        try:
            ours.call(Peer(own_name, "/", "org.example.Never"), "Answer", patience=None)
        except BusError:
            failed.set()

    peer.bus.add_message_handler(lambda message: message.member == "Answer" and (asked.set() or True))
    asked = threading.Event()
    waiting = threading.Thread(target=ask)
    waiting.start()
    assert asked.wait(10)
    bus.kill()
    assert failed.wait(10)
    waiting.join()
    until(lambda: expected_warnings.messages, "the log line")


def test_closed_under_a_call(bus, ours, peer):
    """Whoever waits for an answer when we quit is told, and nothing hangs."""
    asked, failed = threading.Event(), threading.Event()
    peer.bus.add_message_handler(lambda message: message.member == "Answer" and (asked.set() or True))

    def ask() -> None:
        try:
            ours.call(Peer(peer.bus.unique_name, "/", "a.b"), "Answer", patience=None)
        except BusError:
            failed.set()

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert asked.wait(10)
    ours.close()
    assert failed.wait(10)
    waiting.join()


def test_patience_ends(bus, ours, peer):
    """A program that never answers costs the time we give it."""
    peer.bus.add_message_handler(lambda message: message.member == "Answer")
    with pytest.raises(BusError):
        ours.call(Peer(peer.bus.unique_name, "/", "a.b"), "Answer", patience=0.05)


def test_bus_thread_cannot_wait_for_itself(bus, ours):
    """A mistake of ours is told instead of hanging."""
    result = []

    def ask() -> None:
        with pytest.raises(BusError) as caught:
            ours.owned("a.b")
        result.append(caught.value)

    ours.connection()
    ours.post(ask)
    until(lambda: result, "the refusal")


def test_served_object(bus, ours, peer):
    """Others see methods, properties and a description of what we serve."""
    served = Served(
        "/echo",
        "org.example.Echo",
        {"Say": Method("s", "s", lambda text: [text * 2]), "Fail": Method("", "", lambda: 1 / 0)},
        {"Size": Property("i", lambda: 7)},
        {"Said": "s"},
    )
    ours.serve(served)
    name = ours.connection().unique_name
    assert peer.call(name, "/echo", "org.example.Echo.Say", "s", "ab") == ["abab"]
    assert peer.property(name, "/echo", "org.example.Echo", "Size") == 7
    node = peer.run(peer.bus.introspect(name, "/echo"))
    assert [method.name for method in node.interfaces[0].methods] == ["Say", "Fail"]
    with pytest.raises(AssertionError, match="division by zero"):
        peer.call(name, "/echo", "org.example.Echo.Fail")
    with pytest.raises(AssertionError, match="UnknownMethod"):
        peer.call(name, "/echo", "org.example.Echo.Say", "i", 1)
    peer.listen("type='signal',interface='org.example.Echo'")
    ours.emit(served, "Said", "hello")
    assert peer.signals.get(timeout=10).body == ["hello"]
    ours.unserve(served)
    with pytest.raises(AssertionError, match="UnknownMethod"):
        peer.call(name, "/echo", "org.example.Echo.Say", "s", "ab")


def test_bus_that_does_not_read(bus, ours, peer):
    """A bus that is held up, as when it is being dumped, costs no connection and no message."""
    served = Served("/echo", "org.example.Echo", {}, {}, {"Said": "ay"})
    ours.serve(served)
    peer.listen("type='signal',interface='org.example.Echo'")
    os.kill(bus.daemon.pid, signal.SIGSTOP)
    try:
        for number in range(40):
            ours.emit(served, "Said", bytes([number]) * 20_000)  # four times what the socket takes
    finally:
        os.kill(bus.daemon.pid, signal.SIGCONT)
    for number in range(40):
        assert peer.signals.get(timeout=10).body[0][0] == number
    assert ours.reachable


def test_quiet_bus_wakes_nobody(bus, ours):
    """Nothing is polled: the thread does not run while nothing happens."""
    assert ours.reachable
    thread = next(thread for thread in threading.enumerate() if thread.name == "bus")
    status = Path(f"/proc/self/task/{thread.native_id}/status")

    def switches() -> str:
        return next(line for line in status.read_text().splitlines() if line.startswith("voluntary"))

    ours.owned("a.b")
    until(lambda: switches() == (time.sleep(0.1), switches())[1], "the thread to settle")
    before = switches()
    time.sleep(1.0)
    assert switches() == before


def test_errands_keep_their_order(errands, caplog):
    """One at a time, in order, and a failure among them stops none."""
    done = []
    end = threading.Event()
    errands.post(lambda: done.append(1))
    errands.post(lambda: done.append(threading.current_thread().name))
    errands.post(end.set)
    assert end.wait(10)
    assert done == [1, "errands"]


def test_failing_errand(errands, expected_warnings):
    """Its failure is logged, and the next one runs."""
    end = threading.Event()
    errands.post(lambda: 1 / 0)
    errands.post(end.set)
    assert end.wait(10)
    assert len(expected_warnings.messages) == 1


def test_errands_end_from_within(errands):
    """Quit is itself an errand."""
    end = threading.Event()
    errands.post(lambda: (errands.close(), end.set()))
    assert end.wait(10)


def test_one_tray(trays):
    """The second start greets the first one and stands back."""
    greeted = threading.Event()
    first, second = trays(), trays()
    assert first.claim(greeted.set, str)
    assert not second.claim(lambda: None, str)
    assert greeted.wait(10)
    first.close()
    assert second.claim(lambda: None, str)


def test_ask_the_tray(trays):
    """The answer comes from a thread of its own, whenever it is done; two at a time do not wait."""
    both = threading.Barrier(2)
    threads = []

    def answer(request: str) -> str:
        threads.append(threading.current_thread().name)
        both.wait(10)
        return request.upper()

    trays().claim(lambda: None, answer)
    answers = []
    asking = [
        threading.Thread(target=lambda text=text: answers.append(trays().ask(text))) for text in ("a", "b")
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join(20)
    assert sorted(answers) == ["A", "B"]
    assert threads == ["asked", "asked"]


def test_ask_nobody(trays):
    """No tray, no answer: the command line then does the work alone."""
    assert trays().ask("a") is None


def test_ask_without_a_bus(homes):
    """The same where there is no bus at all."""
    assert Instance(Bus(), Errands()).ask("a") is None


def test_tray_fails(trays, expected_warnings):
    """A failure in the tray reaches the command line as its own."""

    def answer(request: str) -> str:
        raise OSError(28, "No space left")

    trays().claim(lambda: None, answer)
    with pytest.raises(CaptureFailed, match="No space left"):
        trays().ask("a")


@pytest.fixture
def other_tray(bus):
    """A tray of another process, which ends when it is asked."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:]\n"
        "from tray.desktop.bus import Bus; from tray.desktop.errands import Errands\n"
        "from tray.desktop.instance import Instance\n"
        "one = Instance(Bus(), Errands()); one.claim(print, lambda text: os._exit(3))\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"ready\n"
        yield other
        other.kill()


def test_tray_goes_away(trays, other_tray):
    """A tray that ends before it answered is told apart from none at all."""
    with pytest.raises(CaptureFailed):
        trays().ask("a")
    other_tray.wait(10)


def test_tray_that_is_stopped(trays, other_tray, monkeypatch, expected_warnings):
    """Nobody waits for it: the command line does the work alone."""
    monkeypatch.setattr(instance, "PATIENCE", 0.2)
    other_tray.send_signal(signal.SIGSTOP)
    assert trays().ask("a") is None
    assert "does not answer" in expected_warnings.messages[0]


def test_one_tray_without_a_bus(homes):
    """A lock in the runtime folder holds the place, and is given back."""
    first, second = Instance(Bus(), Errands()), Instance(Bus(), Errands())
    assert first.claim(lambda: None, str)
    assert not second.claim(lambda: None, str)
    assert first.runs()
    assert second.runs(), "doctor asks, as one that is no tray itself"
    first.close()
    first.close()
    assert not second.runs()
    assert second.claim(lambda: None, str)
    second.close()


def test_name_of_the_tray(bus, trays, peer):
    """Anything may greet us: the name and path are what the desktop file promises."""
    greeted = threading.Event()
    trays().claim(greeted.set, str)
    peer.call(TRAY.name, TRAY.path, f"{TRAY.interface}.Greet")
    assert greeted.wait(10)
