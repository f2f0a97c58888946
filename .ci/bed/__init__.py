"""The parts of .ci/testbed."""
