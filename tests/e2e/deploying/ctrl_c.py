"""Runs a command on a terminal, presses Ctrl-C when it asks, and prints what it printed. Exits with the command's code.

Arguments: the command.
"""

import os
import pty
import signal
import sys
import time

signal.alarm(60)  # A command that does not end fails the test.
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
printed, asked = b"", False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # It has ended.
        break
    printed += part
    if b"[y/N]" in printed and not asked:
        asked = True
        time.sleep(0.5)
        os.write(terminal, b"\x03")
print(printed.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
