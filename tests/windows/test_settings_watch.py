"""The settings file, watched with real ReadDirectoryChangesW."""

from __future__ import annotations

import pytest
from contract.test_settings_watch import WatchContract

from tray.ffi.folders import Changes


class TestReadDirectoryChanges(WatchContract):
    """Windows tells of changes."""

    def test_a_failing_call_says_why(self, tmp_path):
        """OSError with winerror, as for every foreign call."""
        with pytest.raises(FileNotFoundError) as failed:
            Changes(tmp_path / "none")
        assert failed.value.winerror == 2
