"""Runs the knul command for tests: to its end, or as a server whose events are waited for."""
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

# Sanitizer builds on a busy machine are slow; a test that passes never waits this long.
LIMIT_SECONDS = 60
knul_path = None


def clean_environment(extra=None):
    """Without the KNUL_ variables of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KNUL_")}
    return {**kept, **(extra or {})}


def run(*arguments, environment=None, stdout=subprocess.PIPE):
    """The completed command: returncode, stdout and stderr as text."""
    return subprocess.run(
        [knul_path, *arguments], env=clean_environment(environment), stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)


def credentials_of(folder):
    """The arguments with the certificate that `knul cert` wrote to the folder."""
    return ("--cert", f"{folder}/cert.pem", "--key", f"{folder}/key.pem")


def main(usage):
    """Of a test program: --knul PATH, then what unittest takes."""
    global knul_path
    if len(sys.argv) < 3 or sys.argv[1] != "--knul":
        sys.exit(usage)
    knul_path = os.path.abspath(sys.argv[2])  # a test may change its folder
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])


class Process:
    """A knul command that goes on in the background. Its standard error is read, unless `stderr` is another."""

    def __init__(self, *arguments, environment=None, stderr=subprocess.PIPE):
        self.child = subprocess.Popen(
            [knul_path, *arguments], env=clean_environment(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.lines = queue.Queue()
        self.errors = []
        self.readers = [threading.Thread(target=self._read_output), threading.Thread(target=self._read_errors)]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.wait()

    def _read_output(self):
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _read_errors(self):
        if self.child.stderr is not None:
            self.errors.extend(self.child.stderr)

    def error_text(self):
        return "".join(self.errors)

    def line(self):
        """The next line of standard output; None at its end."""
        return self.lines.get(timeout=LIMIT_SECONDS)

    def send(self, number):
        self.child.send_signal(number)

    def wait(self):
        code = self.child.wait(LIMIT_SECONDS)
        for reader in self.readers:
            reader.join(LIMIT_SECONDS)
        self.child.stdout.close()
        if self.child.stderr is not None:
            self.child.stderr.close()
        return code


class Server(Process):
    """`knul serve --json` on a free port."""

    def __init__(self, folder, *arguments, environment=None, stderr=subprocess.PIPE):
        super().__init__("serve", "--json", "--port", "0", *credentials_of(folder), *arguments, environment=environment,
                         stderr=stderr)
        self.listening = self.event("listening")
        self.port = self.listening["port"]

    def event(self, name):
        """The next event of this name; earlier ones are passed over."""
        while True:
            line = self.line()
            if line is None:
                raise AssertionError(f"no event {name!r}; exit code {self.wait()}, {self.error_text()}")
            event = json.loads(line)
            if event["event"] == name:
                return event

    def drain(self):
        """SIGTERM; the exit code and the event "stopped"."""
        self.send(signal.SIGTERM)
        stopped = self.event("stopped")
        return self.wait(), stopped


class KnulTest(unittest.TestCase):
    """With a folder that has a certificate, and is removed at the end."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="knul_cli_")
        made = run("cert", "--out", cls.folder)
        if made.returncode != 0:
            raise AssertionError(made.stderr)
        cls.ca = f"{cls.folder}/cert.pem"
        cls.credentials = credentials_of(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def assert_fails(self, result, code, *words):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
