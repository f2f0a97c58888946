"""The Windows capture obeys the port's contract."""

from __future__ import annotations

import pytest
from contract.test_capture import CaptureContract

from tray.capture.windows import WindowsCapture


class TestWindowsCapture(CaptureContract):
    """The real one obeys."""

    @pytest.fixture
    def pid(self, program):
        return program("deadlock").pid

    @pytest.fixture
    def capture(self):
        return WindowsCapture()
