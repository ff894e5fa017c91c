"""Child programs that a test talks to line by line."""

import signal
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Program:
    """A child with its lines."""

    def __init__(self, *arguments):
        self.child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, cwd=HERE,
                                      # A shell in the background has its children ignore SIGINT.
                                      preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def line(self, start=""):
        line = self.child.stdout.readline()
        assert line.startswith(start) and line, f"{line!r}, not {start!r}; stderr: " + (
            self.child.stderr.read() if not line else "")
        return line[len(start):].strip()

    def error(self, start=""):
        line = self.child.stderr.readline()
        assert line.startswith(start), f"{line!r}, not {start!r}"
        return line[len(start):].strip()

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def end(self):
        out, err = self.child.communicate(timeout=60)
        return self.child.returncode, out, err

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.communicate()
