"""The rules of the `Desktop` port, for the Windows back end."""

from __future__ import annotations

import pytest
from contract.test_desktop import DesktopContract

from tray.desktop.windows import WindowsDesktop


class TestWindowsDesktop(DesktopContract):
    """A Windows session with a taskbar."""

    @pytest.fixture
    def desktop(self, taskbar):
        """One with everything."""
        yield (desktop := WindowsDesktop())
        desktop.close()
