"""A skip must be meant: what is missing skips a test, or fails it where it is required."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture
def setup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """The check before each test, on a machine that lacks ``gdb`` alone."""
    plugins = request.config.pluginmanager.get_plugins()
    [ours] = [plugin for plugin in plugins if hasattr(plugin, "REASONS")]
    monkeypatch.setattr(ours, "missing", lambda marker: "not installed: gdb" if marker == "gdb" else "")

    def check(marker: str, required: str) -> None:
        monkeypatch.setenv("HANGSHOT_REQUIRE", required)
        item = SimpleNamespace(iter_markers=lambda: [SimpleNamespace(name=marker)])
        ours.pytest_runtest_setup(item)

    return check


def test_what_is_there_runs(setup) -> None:
    """A marker whose needs are met changes nothing, nor does one that is no need."""
    setup("linux", "all")
    setup("parametrize", "all")


@pytest.mark.parametrize("required", ["", "x11", "x11,wayland"])
def test_what_is_missing_skips(setup, required: str) -> None:
    """Without a wish a lack is a skip with its reason."""
    with pytest.raises(pytest.skip.Exception, match="gdb: not installed: gdb"):
        setup("gdb", required)


@pytest.mark.parametrize("required", ["all", "gdb", "x11, gdb"])
def test_what_is_required_fails(setup, required: str) -> None:
    """With HANGSHOT_REQUIRE it is a failure with the same reason."""
    with pytest.raises(pytest.fail.Exception, match="not installed: gdb"):
        setup("gdb", required)


@pytest.fixture
def ours(request: pytest.FixtureRequest):
    """The conftest of all tests."""
    [ours] = [plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "REASONS")]
    return ours


@pytest.mark.parametrize(("platform", "left_out"), [("linux", False), ("win32", True)])
def test_what_another_system_has_is_left_out(ours, monkeypatch: pytest.MonkeyPatch, platform, left_out):
    """Tests of Linux's programs are not collected on Windows, so that there no skip is meant."""
    monkeypatch.setattr(ours.sys, "platform", platform)
    assert ({"linux", "gdb", "x11"} <= ours.foreign.__wrapped__()) is left_out


@pytest.mark.parametrize(
    ("platform", "required", "outcome"),
    [("linux", "all", "skipped"), ("win32", "", "skipped"), ("win32", "all", "failed")],
)
def test_a_skip_in_the_test_bed_is_a_failure(ours, monkeypatch, platform: str, required: str, outcome: str):
    """There everything is at hand."""
    monkeypatch.setattr(ours.sys, "platform", platform)
    monkeypatch.setenv("HANGSHOT_REQUIRE", required)
    wrapper = ours.pytest_runtest_makereport(None)
    next(wrapper)
    with pytest.raises(StopIteration) as given:
        wrapper.send(SimpleNamespace(skipped=True, outcome="skipped", longrepr="why"))
    assert given.value.value.outcome == outcome
