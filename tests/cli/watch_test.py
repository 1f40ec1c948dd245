#!/usr/bin/env python3
"""knul stats and knul top: a server as its operator sees it. watch_test.py --knul PATH [unittest arguments]"""
import json
import socket
import threading

import knul_process
from knul_process import KnulTest, Server, run


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
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)
        thread = threading.Thread(target=serve)
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


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
