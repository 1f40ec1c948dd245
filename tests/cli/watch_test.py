#!/usr/bin/env python3
"""knul stats and knul top: a server as its operator sees it. watch_test.py --knul PATH [unittest arguments]"""
import contextlib
import fcntl
import http.server
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import knul_process
from knul_process import LIMIT_SECONDS, KnulTest, Server, run


class AdminServer(Server):
    """A server of the service perf with an admin listener at `path`."""

    def __init__(self, folder, *arguments):
        self.path = f"{folder}/admin.sock"
        super().__init__(folder, "--service", "perf", "--workers", "1", "--admin", f"unix:{self.path}", *arguments)


class Stats(KnulTest):
    def hostile(self, answer):
        """The address of a server that gives one client this answer."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):  # no client came, or it ended first
                client, _ = listener.accept()
                with client:
                    client.settimeout(LIMIT_SECONDS)
                    client.recv(4096)
                    client.sendall(answer)
        listener.settimeout(LIMIT_SECONDS)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def test_prints_text_with_units_and_leaves_out_zeros(self):
        with AdminServer(self.folder) as server:
            made = run("perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--requests", "3")
            self.assertEqual(made.returncode, 0, made.stderr)
            result = run("stats", server.path)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stdout, r"(?m)^total_requests +3$")
            self.assertRegex(result.stdout, r"(?m)^total_bytes_in +\S+ KiB \([\d,]+\)$")
            self.assertRegex(result.stdout, r"(?m)^certificate_not_after +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
            self.assertNotIn("packets_dropped_malformed", result.stdout)
            server.drain()

    def test_prints_the_served_json(self):
        with AdminServer(self.folder) as server:
            for address in (server.path, f"unix:{server.path}"):
                statistics = json.loads(run("stats", "--json", address).stdout)
                self.assertEqual(list(statistics)[0], "total_requests")
                self.assertEqual(statistics["packets_dropped_malformed"], 0)
                self.assertEqual(statistics["workers"], 1)
            server.drain()

    def test_fails_if_its_output_cannot_be_written(self):
        with AdminServer(self.folder) as server, open("/dev/full", "wb") as full:
            for arguments in (("stats", server.path), ("top", "--once", "--interval", "0.1", server.path),
                              ("check", *self.credentials)):
                result = run(*arguments, stdout=full)
                self.assertEqual(result.returncode, 1, arguments)
                self.assertIn("standard output: No space left on device", result.stderr)
            server.drain()

    def test_says_that_no_server_listens(self):
        self.assert_fails(run("stats", "/nothing/admin.sock"), 1, "/nothing/admin.sock", "--admin")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.assert_fails(run("stats", f"127.0.0.1:{taken.getsockname()[1]}"), 1, "--admin")

    def test_refuses_addresses_of_another_form(self):
        for address in ("", "localhost", "127.0.0.1:0", "::1:9464", "unix:", "/" + "x" * 108):
            self.assert_fails(run("stats", address), 2)

    def test_refuses_other_answers(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for answer, words in ((head + b"Content-Length: 2\r\n\r\n[]", "no JSON object"),
                              (head + b"Content-Length: 5\r\n\r\n\x1b[2J{", "no JSON object"),
                              (head + b"Content-Length: 9999999\r\n\r\n", "longer than"),
                              (b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "status 500"),
                              (b"SSH-2.0-OpenSSH\r\n", "no HTTP answer"), (b"", "no HTTP answer")):
            result = run("stats", self.hostile(answer))
            self.assert_fails(result, 1, words)
            self.assertNotIn("\x1b", result.stderr)


class GrowingServer(http.server.ThreadingHTTPServer):
    """An admin listener whose numbers grow with each answer."""

    def __init__(self, test, statistics):
        self.statistics = statistics
        self.answers = 0
        super().__init__(("127.0.0.1", 0), GrowingAnswers)
        test.addCleanup(self.server_close)
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(self.shutdown)
        self.address = f"127.0.0.1:{self.server_port}"

    def grown(self):
        self.answers += 1
        return {name: value if isinstance(value, str) else value + self.answers
                for name, value in self.statistics.items()}


class GrowingAnswers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.grown() if self.path == "/stats" else {"connections": [], "matches": 0}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


class Traffic:
    """Clients that make requests until the end of the block."""

    def __init__(self, test, server, *arguments):
        self.child = subprocess.Popen(
            [knul_process.knul_path, "perf", f"127.0.0.1:{server.port}", "--ca", test.ca, "--requests", "0",
             "--duration", "600", "--connections", "2", *arguments], env=knul_process.clean_environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


class Tmux:
    """A real terminal of its own server, socket and size."""

    def __init__(self, test, columns=80, rows=24):
        self.test = test
        self.folder = tempfile.mkdtemp(prefix="knul_tmux_")
        test.addCleanup(shutil.rmtree, self.folder)
        self.environment = knul_process.clean_environment({"TMUX_TMPDIR": self.folder, "LC_ALL": "C"})
        self.environment.pop("TMUX", None)
        self("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
        test.addCleanup(self, "kill-server")
        self.wait(lambda lines: lines and lines[0].strip(), "a prompt")

    def __call__(self, *arguments):
        done = subprocess.run(["tmux", "-L", "knul", "-f", "/dev/null", *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)
        return done.stdout

    def keys(self, *keys):
        self("send-keys", *keys)

    def lines(self):
        return self("capture-pane", "-p").split("\n")[:-1]

    def wait(self, condition, what):
        """The lines of the screen once the condition holds."""
        end = time.monotonic() + LIMIT_SECONDS
        while not condition(lines := self.lines()):
            self.test.assertLess(time.monotonic(), end, f"no {what}:\n" + "\n".join(lines))
            time.sleep(0.02)
        return lines

    def wait_text(self, text):
        return self.wait(lambda lines: any(text in line for line in lines), repr(text))


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Top(KnulTest):
    """knul top in a terminal."""

    def top(self, server, interval="0.1"):
        tmux = Tmux(self)
        tmux.keys(f"{knul_process.knul_path} top --interval {interval} {server.path}", "Enter")
        tmux.wait_text("q quit")
        return tmux

    def header(self, lines):
        return next(line for line in lines if line.startswith("PEER"))

    def test_fits_in_80_columns_and_24_rows(self):
        with AdminServer(self.folder) as server, Traffic(self, server):
            tmux = self.top(server)
            lines = tmux.wait(lambda found: sum(line.startswith("127.0.0.1:") for line in found) == 2, "connections")
            self.assertEqual(len(lines), 24)
            self.assertTrue(lines[0].startswith(f"knul top  {server.path}"[:80]), lines[0])
            self.assertTrue(lines[23].startswith("r reverse"), lines)
            self.assertIn("v verdict", lines[22])
            tmux.wait(lambda found: any(line.startswith("rates ") and not line.startswith("rates       0 ")
                                        and "requests/s" in line for line in found), "rates")

    def test_sorts_by_the_key_of_a_column_and_reverses(self):
        with AdminServer(self.folder) as server, Traffic(self, server):
            tmux = self.top(server, interval="3600")  # only keys draw
            self.assertIn("SENTv", self.header(tmux.lines()))
            tmux.keys("3")
            tmux.wait_text("AGEv")
            tmux.keys("r")
            tmux.wait_text("AGE^")
            tmux.keys("1")
            tmux.wait_text("PEER^")
            self.assertNotIn("AGE^", self.header(tmux.lines()))

    def test_adapts_to_the_size_of_the_terminal(self):
        with AdminServer(self.folder) as server, Traffic(self, server):
            tmux = self.top(server, interval="3600")  # only the signal draws
            for columns, rows in ((140, 30), (50, 16), (80, 24)):
                tmux("resize-window", "-x", str(columns), "-y", str(rows))
                tmux.wait(lambda found, rows=rows: len(found) == rows and found[0].startswith("knul top")
                          and found[-1].startswith("r reverse"), f"frame of {rows} rows")
                wide = columns >= 120
                tmux.wait(lambda found, wide=wide: any("SERVER NAME" in line for line in found) == wide, "columns")

    def test_pauses(self):
        with AdminServer(self.folder) as server, Traffic(self, server):
            tmux = self.top(server)
            tmux.keys("p")
            tmux.wait_text("PAUSED")
            tmux.keys("5")
            tmux.wait_text("RTTv")
            tmux.keys("p")
            tmux.wait(lambda lines: "PAUSED" not in lines[1] and "running" in lines[1], "end of the pause")

    def test_q_restores_the_screen_and_the_mode(self):
        with AdminServer(self.folder) as server:
            tmux = Tmux(self)
            tmux.keys(f"cd {tmux.folder}; stty -g > before; {knul_process.knul_path} top {server.path}", "Enter")
            tmux.wait_text("q quit")
            tmux.keys("q")
            tmux.wait(lambda lines: not any("q quit" in line for line in lines), "the shell")
            tmux.keys("stty -g > after; cmp before after && echo the same  mode", "Enter")
            # Behind a prompt, if the shell had not printed it yet when the keys came.
            lines = tmux.wait(lambda found: any(line.endswith("the same mode") for line in found), "the same mode")
            self.assertFalse(any(line.startswith("PEER") for line in lines), lines)
            self.assertEqual(tmux("display-message", "-p", "#{cursor_flag}#{alternate_on}#{wrap_flag}"), "101\n")

    def test_says_that_a_reading_failed_and_tries_again(self):
        with AdminServer(self.folder) as server:
            tmux = self.top(server)
            server.child.kill()
            server.wait()
            tmux.wait_text("no reading, trying again")
            self.assertIn("q quit", "".join(tmux.lines()))
        with AdminServer(self.folder):
            tmux.wait_text("state       running")

    def test_stops_and_continues(self):
        with AdminServer(self.folder) as server:
            tmux = self.top(server, interval="3600")
            tmux.keys("C-z")
            tmux.wait(lambda lines: not any("q quit" in line for line in lines), "the shell")
            tmux.keys("fg", "Enter")
            tmux.wait_text("q quit")


class Attached:
    """knul top on a pseudo terminal whose output is read."""

    def __init__(self, test, path, columns=140, rows=30):
        self.main, self.terminal = os.openpty()
        test.addCleanup(os.close, self.main)
        test.addCleanup(os.close, self.terminal)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.terminal)
        self.output = b""
        self.child = subprocess.Popen(
            [knul_process.knul_path, "top", "--interval", "0.1", path], env=knul_process.clean_environment(),
            stdin=self.terminal, stdout=self.terminal, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0))
        test.addCleanup(self.end)

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stderr.close()

    def read_until(self, text):
        end = time.monotonic() + LIMIT_SECONDS
        while text not in self.output:
            if not select.select([self.main], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {text} in {self.output[-2000:]}")
            self.output += os.read(self.main, 65536)

    def finish(self):
        """The exit code, and the output to the end."""
        end = time.monotonic() + LIMIT_SECONDS
        while self.child.poll() is None:
            if time.monotonic() > end:
                raise AssertionError("the command does not end")
            if select.select([self.main], [], [], 0.02)[0]:
                self.output += os.read(self.main, 65536)
        while select.select([self.main], [], [], 0)[0]:
            self.output += os.read(self.main, 65536)
        return self.child.returncode


class TopEnds(KnulTest):
    """What knul top leaves behind."""

    LEFT = b"\x1b[?7h\x1b[?25h\x1b[?1049l"

    def test_every_signal_restores_the_terminal(self):
        with AdminServer(self.folder) as server:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                attached = Attached(self, server.path)
                attached.read_until(b"q quit")
                self.assertNotEqual(termios.tcgetattr(attached.terminal), attached.before)
                attached.child.send_signal(number)
                self.assertEqual(attached.finish(), 0, number)
                self.assertTrue(attached.output.endswith(self.LEFT), attached.output[-200:])
                self.assertEqual(termios.tcgetattr(attached.terminal), attached.before)

    def test_ends_although_the_terminal_accepts_nothing(self):
        with AdminServer(self.folder) as server:
            attached = Attached(self, server.path)
            attached.read_until(b"q quit")
            fcntl.ioctl(attached.terminal, termios.TCXONC, termios.TCOOFF)
            attached.child.send_signal(signal.SIGTERM)
            self.assertEqual(attached.child.wait(LIMIT_SECONDS), 0)
            self.assertEqual(termios.tcgetattr(attached.terminal), attached.before)

    def test_no_sequence_of_a_peer_reaches_the_terminal(self):
        evil = "\x1b[31mp"
        with AdminServer(self.folder, "--alpn", evil) as server, Traffic(self, server, "--alpn", evil):
            attached = Attached(self, server.path)
            attached.read_until(b"\\x1b[31")
            attached.child.send_signal(signal.SIGTERM)
            attached.finish()
            self.assertNotIn(b"\x1b[31m", attached.output)

    def test_needs_a_terminal_or_once(self):
        with AdminServer(self.folder) as server:
            self.assert_fails(run("top", server.path), 2, "no terminal", "--once")
            self.assert_fails(run("top", "--json", server.path), 2, "--json needs --once")

    def test_says_that_no_server_listens_and_leaves_the_terminal_alone(self):
        attached = Attached(self, "/nothing/admin.sock")
        self.assertEqual(attached.finish(), 1)
        self.assertEqual(attached.output, b"")
        self.assertIn(b"--admin", attached.child.stderr.read())

    def test_once_prints_a_frame_or_one_object(self):
        with AdminServer(self.folder) as server, Traffic(self, server):
            deadline = time.monotonic() + LIMIT_SECONDS
            report = {"connections": []}
            while len(report["connections"]) < 2 or report["requests_per_second"] == 0:
                self.assertLess(time.monotonic(), deadline, report)
                result = run("top", "--once", "--json", "--interval", "0.2", server.path)
                self.assertEqual(result.returncode, 0, result.stderr)
                report = json.loads(result.stdout)
            self.assertEqual(report["connections"][0]["alpn"], "perf")
            self.assertGreater(report["bits_out_per_second"], 0)
            self.assertGreater(report["stats"]["total_requests"], 0)
            shown = run("top", "--once", "--interval", "0.1", server.path).stdout
            self.assertRegex(shown, r"(?m)^127\.0\.0\.1:\d+ +act ")
            self.assertNotIn("\x1b", shown)
            self.assertTrue(all(len(line) <= 80 for line in shown.splitlines()), shown)

    def test_once_accepts_an_address_outside_of_utf_8(self):
        with AdminServer(self.folder) as server:
            link = os.fsencode(self.folder) + b"/\xff.sock"
            os.symlink(server.path, link)
            result = run("top", "--once", "--json", "--interval", "0.1", link)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue(json.loads(result.stdout)["address"].endswith("\ufffd.sock"))

    def test_lists_every_loss_and_no_other_statistic(self):
        losses = pathlib.Path(__file__).parent.parent / "support" / "losses.txt"
        expected = [line for line in losses.read_text().splitlines() if not line.startswith("#")]
        with AdminServer(self.folder) as server:
            statistics = json.loads(run("stats", "--json", server.path).stdout)
            server.drain()
        growing = GrowingServer(self, statistics)
        report = json.loads(run("top", "--once", "--json", "--interval", "0.1", growing.address).stdout)
        self.assertEqual(sorted(report["dropped_per_second"]), sorted(expected))


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
