#!/usr/bin/env python3
"""The knul command and descriptors that are full, closed or without a reader.
descriptors_test.py --knul PATH [unittest arguments]"""
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import time

import knul_process
from knul_process import LIMIT_SECONDS, KnulTest, Server, clean_environment, run


def full_pipe():
    """(reader, writer) of a pipe that takes nothing more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"." * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    return reader, writer


def port_of(child):
    """The UDP port of a server whose output cannot be read."""
    end = time.monotonic() + LIMIT_SECONDS
    while child.poll() is None and time.monotonic() < end:
        inodes = set()
        for descriptor in pathlib.Path(f"/proc/{child.pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(descriptor))
            except FileNotFoundError:
                pass  # closed meanwhile
        for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if f"socket:[{inode}]" in inodes and state == "07":  # not connected
                port = int(local.rpartition(":")[2], 16)
                if port != 0:
                    return port
        time.sleep(0.01)
    raise AssertionError("the server has no port")


class Log(KnulTest):
    """Standard error of a server."""

    def refused_handshakes(self, port, wanted, statistics):
        """Clients with a foreign protocol, until the server has refused so many."""
        end = time.monotonic() + LIMIT_SECONDS
        while statistics()["handshakes_failed_alpn"] < wanted:
            self.assertLess(time.monotonic(), end)
            run("perf", f"127.0.0.1:{port}", "--insecure", "--alpn", "foreign", "--handshakes", "400",
                "--parallel", "400")

    def test_a_standard_error_that_nobody_reads_stops_nothing(self):
        reader, writer = full_pipe()
        with Server(self.folder, "--workers", "2", "--stats-interval", "0.05", stderr=writer) as server:
            os.close(writer)
            self.refused_handshakes(server.port, 400, lambda: server.event("stats")["stats"])
            code, stopped = server.drain()
            self.assertEqual((code, stopped["clean"]), (0, True))
            self.assertGreater(stopped["stats"]["log_messages_limited"], 100)
        os.close(reader)

    def test_a_flood_of_refusals_writes_few_lines_that_tell_the_number(self):
        with Server(self.folder, "--stats-interval", "0.05") as server:
            self.refused_handshakes(server.port, 300, lambda: server.event("stats")["stats"])
            server.drain()
            lines = [line for line in server.error_text().splitlines() if "foreign" in line]
            self.assertGreaterEqual(len(lines), 10)
            self.assertLess(len(lines), 100)

    def level(self, value):
        """What a server with an unknown level, and a client that it refuses, write."""
        with Server(self.folder, environment={"KNUL_LOG": value}) as server:
            run("perf", f"127.0.0.1:{server.port}", "--insecure", "--alpn", "foreign", "--handshakes", "1")
            server.drain()
            return server.error_text()

    def test_a_level_that_is_unknown_or_empty_or_of_another_case_never_silences(self):
        for value in ("", "nonsense", "WARNING", "Info", "warn", "2"):
            self.assertIn("foreign", self.level(value), value)
        line = json.loads(self.level("nonsense").splitlines()[0])
        self.assertIn('KNUL_LOG is "nonsense", expected trace, debug', line["message"])
        self.assertEqual((line["level"], line["subsystem"]), ("warning", "server"))
        for value in ("off", "OFF", "error"):
            self.assertNotIn("foreign", self.level(value), value)


class Output(KnulTest):
    """Standard output of a server."""

    def serve(self, stdout, *arguments, preexec=None):
        return subprocess.Popen(
            [knul_process.knul_path, "serve", "--service", "perf", "--port", "0", *self.credentials,
             "--stats-interval", "0.01", *arguments],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
            preexec_fn=preexec)

    def wait_until_it_answers(self, port):
        end = time.monotonic() + LIMIT_SECONDS
        while run("perf", f"127.0.0.1:{port}", "--ca", self.ca, "--requests", "1", "--connect-timeout", "500").returncode:
            self.assertLess(time.monotonic(), end)

    def test_drains_on_the_first_signal_although_nobody_reads_its_output(self):
        for arguments in ((), ("--json",)):
            reader, writer = full_pipe()
            with self.serve(writer, *arguments) as server:
                os.close(writer)
                port = port_of(server)
                self.wait_until_it_answers(port)
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(LIMIT_SECONDS), 0)
            os.close(reader)

    def test_ends_on_the_second_signal_although_nobody_reads_its_output(self):
        # A drain without a connection is over at once: then the client came too late.
        self.assertIn(4, (self.end_with_two_signals() for _ in range(5)))

    def end_with_two_signals(self):
        reader, writer = full_pipe()
        with self.serve(writer, "--drain-timeout-ms", "3600000") as server:
            os.close(writer)
            port = port_of(server)
            self.wait_until_it_answers(port)
            client = subprocess.Popen(
                [knul_process.knul_path, "perf", f"127.0.0.1:{port}", "--ca", self.ca, "--download", "0", "--duration",
                 "100"], env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.wait_until_it_answers(port)
            server.send_signal(signal.SIGTERM)
            # New connections are refused once the drain has begun.
            while server.poll() is None and run("perf", f"127.0.0.1:{port}", "--ca", self.ca, "--requests", "1",
                                                "--connect-timeout", "500").returncode == 0:
                pass
            server.send_signal(signal.SIGTERM)
            code = server.wait(LIMIT_SECONDS)
            client.kill()
            client.wait()
        os.close(reader)
        return code

    def test_lives_on_when_the_reader_of_its_output_is_gone(self):
        reader, writer = os.pipe()
        os.close(reader)
        with self.serve(writer, "--json") as server:
            os.close(writer)
            port = port_of(server)
            self.wait_until_it_answers(port)
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(LIMIT_SECONDS), 0)

    def test_serves_with_all_standard_descriptors_closed(self):
        def close_all():
            for fd in range(3):
                os.close(fd)

        server = self.serve(subprocess.DEVNULL, preexec=close_all)
        with server:
            self.wait_until_it_answers(port_of(server))
            for fd in range(3):
                self.assertEqual(os.readlink(f"/proc/{server.pid}/fd/{fd}"), "/dev/null")
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(LIMIT_SECONDS), 0)

    def test_a_start_that_fails_can_be_ended_although_nobody_reads_its_error(self):
        reader, writer = full_pipe()
        child = subprocess.Popen(
            [knul_process.knul_path, "serve", "--cert", "/nothing.pem", "--key", "/nothing.pem"],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        with self.assertRaises(subprocess.TimeoutExpired):
            child.wait(1)  # it waits to tell its error
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(LIMIT_SECONDS), -signal.SIGTERM)
        os.close(reader)


class Pipes(KnulTest):
    def test_get_into_a_pipe_that_is_closed_early_ends_quietly(self):
        root = pathlib.Path(self.folder, "root")
        root.mkdir()
        root.joinpath("large").write_bytes(b"x" * 8_000_000)
        with Server(self.folder, "--service", "hq", "--root", str(root)) as server:
            child = subprocess.Popen(
                [knul_process.knul_path, "get", f"localhost:{server.port}", "/large", "/large", "--ca", self.ca],
                env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(child.stdout.read(10), b"x" * 10)
            child.stdout.close()
            self.assertEqual(child.stderr.read(), b"")
            child.stderr.close()
            self.assertEqual(child.wait(LIMIT_SECONDS), -signal.SIGPIPE)
            self.assertEqual(server.drain()[0], 0)


class DeadServer(KnulTest):
    """A server that dies in the middle of a measurement."""

    def measure(self, *arguments):
        with Server(self.folder, "--service", "perf", "--stats-interval", "0.02") as server:
            client = subprocess.Popen(
                [knul_process.knul_path, "perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--duration", "1.5",
                 "--connect-timeout", "1000", *arguments],
                env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True)
            while server.event("stats")["stats"]["total_requests"] == 0:
                pass
            server.child.kill()
            output, errors = client.communicate(timeout=LIMIT_SECONDS)
            return client.returncode, output, errors

    def test_perf_fails_whatever_it_measures(self):
        for arguments in (("--download", "0"), ("--upload", "0"), ("--requests", "0", "--depth", "4"),
                          ("--handshakes", "0", "--parallel", "4")):
            code, output, errors = self.measure(*arguments)
            self.assertEqual((code, output), (1, ""), f"{arguments}: {errors}")
            self.assertIn("127.0.0.1", errors)


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
