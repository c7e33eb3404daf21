"""Tests in Python."""

import os

# The readline library of pytest's first process leaves the terminal's size to the others, where it would win over
# the width that a test sets for a command.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
