"""The Windows capture obeys the port's contract."""

from __future__ import annotations

import ctypes

import pytest
from contract.test_capture import CaptureContract

from tray.capture.windows import WindowsCapture

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8


class TestWindowsCapture(CaptureContract):
    """The real one obeys."""

    @pytest.fixture
    def pid(self, program):
        return program("deadlock", bits=WIDTH).pid

    @pytest.fixture
    def capture(self):
        return WindowsCapture()
