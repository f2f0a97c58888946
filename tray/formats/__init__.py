"""Bytes of dump files ↔ `Snapshot`. Pure: no process, no clock, no network."""
