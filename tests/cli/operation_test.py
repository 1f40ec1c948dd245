#!/usr/bin/env python3
"""knul serve as operators run it: its log, signals and service manager.
operation_test.py --knul PATH [unittest arguments]"""
import ctypes
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import knul_process
from knul_process import LIMIT_SECONDS, KnulTest, Process, Server, credentials_of, run


class Messages(KnulTest):
    """The lines of the log."""

    def log_of(self, *arguments, use=None, **variables):
        with Server(self.folder, "--workers", "1", "--service", "perf", *arguments, environment=variables) as server:
            if use is not None:
                use(server)
            server.drain()
            return server.error_text()

    def messages(self, *arguments, use=None, **variables):
        return [json.loads(line) for line in self.log_of(*arguments, use=use, **variables).splitlines()]

    def request(self, server):
        result = run("perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--requests", "1")
        self.assertEqual(result.returncode, 0, result.stderr)

    def foreign(self, server):
        run("perf", f"127.0.0.1:{server.port}", "--insecure", "--alpn", "fo\nreign", "--handshakes", "1")

    def test_info_has_the_start_and_the_stop(self):
        messages = self.messages(use=self.request, KNUL_LOG="info")
        messages = [message for message in messages if message["level"] == "info"]
        kinds = [message["kind"] for message in messages]
        self.assertEqual(kinds, ["server_started", "server_stopped"])
        self.assertRegex(messages[0]["message"], r"listens on 127\.0\.0\.1:\d+ with 1 worker")
        self.assertIn("nothing was cut", messages[-1]["message"])

    def test_debug_of_a_subsystem_has_its_connections(self):
        messages = self.messages(use=self.request, KNUL_LOG=" off , QUIC=debug")
        kinds = [message["kind"] for message in messages]
        self.assertIn("connection_opened", kinds)
        self.assertIn("connection_closed", kinds)
        self.assertEqual({message["subsystem"] for message in messages}, {"quic"})

    def test_a_refusal_names_its_limit_and_the_value(self):
        def second_connection(server):
            run("perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--handshakes", "2", "--parallel", "2",
                "--connect-timeout", "1000")

        messages = self.messages("--max-connections-per-address", "1", use=second_connection, KNUL_LOG="info")
        refusals = [message for message in messages if message["kind"] == "address_limit"]
        self.assertIn("max_connections_per_address is 1", refusals[0]["message"])

    def test_texts_of_peers_do_not_end_a_line(self):
        text = self.log_of(use=self.foreign, KNUL_LOG="debug", KNUL_LOG_FORMAT="text")
        self.assertRegex(text, r"knul warning tls: connection from \S+ refused: it offers ALPN fo")
        self.assertIn("0x178 (376)", text)
        for line in text.splitlines():
            self.assertRegex(line, r"^20\d\d-\S+Z knul (info|debug|warning) \w+: ")

    def test_the_log_is_json_elsewhere_than_on_a_terminal_unless_set(self):
        for value, is_json in (("", True), ("JSON", True), ("text", False)):
            text = self.log_of(KNUL_LOG="info", KNUL_LOG_FORMAT=value)
            self.assertEqual(text.startswith("{"), is_json, value)
        main, terminal = os.openpty()
        with Server(self.folder, environment={"KNUL_LOG": "info"}, stderr=terminal) as server:
            os.close(terminal)
            server.drain()
        self.assertIn("knul info server: server listens", os.read(main, 65536).decode())
        os.close(main)

    def test_an_unknown_format_is_reported(self):
        messages = self.messages(KNUL_LOG_FORMAT="xml")
        self.assertIn('KNUL_LOG_FORMAT is "xml", expected text or json', messages[0]["message"])


class Signals(KnulTest):
    def test_sigusr1_prints_statistics_and_the_server_goes_on(self):
        with Server(self.folder) as server:
            for _ in range(2):
                server.send(signal.SIGUSR1)
                self.assertEqual(server.event("stats")["stats"]["total_requests"], 0)
            self.assertEqual(server.drain()[0], 0)

    def test_sigusr1_prints_text_without_json(self):
        with Process("serve", "--port", "0", *self.credentials) as server:
            self.assertIn("listening on", server.line())
            server.send(signal.SIGUSR1)
            lines = [server.line()]
            while not lines[-1].startswith("  version "):
                lines.append(server.line())
            self.assertIn("statistics", lines[0])
            self.assertTrue(any(line.startswith("  workers ") for line in lines))
            server.send(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)

    def test_sighup_does_not_end_the_server(self):
        with Server(self.folder) as server:
            server.send(signal.SIGHUP)
            event = json.loads(server.line())
            self.assertIn(event["event"], ("reloaded", "reload_failed"))
            self.assertEqual(server.drain()[0], 0)


class Check(KnulTest):
    def check(self, *arguments):
        return run("serve", "--check-config", *arguments)

    def test_accepts_a_valid_configuration_without_binding(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            result = self.check(*self.credentials, "--port", str(taken.getsockname()[1]))
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_names_what_is_wrong(self):
        self.assert_fails(self.check(*self.credentials, "--workers", "65"), 2, "workers", "65")
        self.assert_fails(self.check("--cert", self.ca, "--key", self.ca), 2, "key_path")
        self.assert_fails(self.check("--cert", "/nothing.pem", "--key", "/nothing.pem"), 2, "cert_path")
        self.assert_fails(self.check(*self.credentials, "--service", "hq", "--root", "/nothing"), 2, "service_root")
        self.assert_fails(self.check(*self.credentials, "--config", "/nothing.toml"), 2, "/nothing.toml")

    def test_a_failed_start_prints_one_event(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            result = run("serve", "--json", *self.credentials, "--port", str(taken.getsockname()[1]))
            event = json.loads(result.stdout)
            self.assertEqual((event["event"], event["code"], event["exit_code"]), ("failed", 5000, 1))
            self.assertEqual(result.returncode, 1)
            self.assertIn(event["error"], result.stderr)
        result = run("serve", "--json", *self.credentials, "--workers", "many")
        self.assertEqual(json.loads(result.stdout)["exit_code"], 2)


class Manager(KnulTest):
    """A test double of the service manager: the socket that it listens on."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="knul_notify_")
        self.addCleanup(self.place.cleanup)

    def listen(self, address):
        double = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(double.close)
        double.bind(address)
        double.settimeout(LIMIT_SECONDS)
        return double

    def message(self, double):
        return dict(line.split("=", 1) for line in double.recv(65536).decode().splitlines())

    def message_with(self, double, name):
        while name not in (message := self.message(double)):
            pass
        return message

    def test_reports_ready_and_stopping_to_a_path_or_an_abstract_name(self):
        path = f"{self.place.name}/notify"
        abstract = f"knul-notify-{os.getpid()}"
        for bound, told in ((path, path), ("\0" + abstract, "@" + abstract)):
            double = self.listen(bound)
            with Server(self.folder, environment={"NOTIFY_SOCKET": told}) as server:
                ready = self.message(double)
                self.assertEqual(ready["READY"], "1")
                self.assertIn(f"listening on 127.0.0.1:{server.port}", ready["STATUS"])
                self.assertEqual(server.drain()[0], 0)
                stopping = self.message(double)
                self.assertEqual(stopping["STOPPING"], "1")
                self.assertIn("draining", stopping["STATUS"])

    def test_is_not_ready_when_the_start_fails(self):
        double = self.listen(f"{self.place.name}/notify")
        result = subprocess.run(
            [knul_process.knul_path, "serve", "--cert", "/nothing.pem", "--key", "/nothing.pem"], capture_output=True,
            env=knul_process.clean_environment({"NOTIFY_SOCKET": f"{self.place.name}/notify"}), timeout=LIMIT_SECONDS)
        self.assertEqual(result.returncode, 2)
        double.setblocking(False)
        with self.assertRaises(BlockingIOError):
            double.recv(1)

    def test_reports_a_reload_with_the_monotonic_time_and_then_ready(self):
        double = self.listen(f"{self.place.name}/notify")
        with Server(self.folder, environment={"NOTIFY_SOCKET": f"{self.place.name}/notify"}) as server:
            self.message_with(double, "READY")
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            server.send(signal.SIGHUP)
            reloading = self.message_with(double, "RELOADING")
            self.assertGreaterEqual(int(reloading["MONOTONIC_USEC"]), before)
            self.assertIn("listening on", self.message_with(double, "READY")["STATUS"])
            server.drain()

    def test_keeps_alive_at_half_of_the_watchdog_time_only_if_it_is_for_this_process(self):
        double = self.listen(f"{self.place.name}/notify")
        variables = {"NOTIFY_SOCKET": f"{self.place.name}/notify", "WATCHDOG_USEC": "200000"}
        begin = time.monotonic()
        with Server(self.folder, environment=variables) as server:
            self.message_with(double, "READY")
            for _ in range(3):
                self.assertEqual(self.message(double), {"WATCHDOG": "1"})
            self.assertGreaterEqual(time.monotonic() - begin, 0.3)
            server.drain()
        with Server(self.folder, environment={**variables, "WATCHDOG_PID": "1"}) as server:
            self.message_with(double, "READY")
            double.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                self.message(double)
            server.drain()

    def test_does_not_keep_a_server_alive_whose_worker_does_not_answer(self):
        double = self.listen(f"{self.place.name}/notify")
        variables = {"NOTIFY_SOCKET": f"{self.place.name}/notify", "WATCHDOG_USEC": "200000"}
        with Server(self.folder, "--workers", "1", environment=variables) as server:
            self.message_with(double, "WATCHDOG")
            worker = self.stop_worker(server)
            try:
                double.settimeout(0.5)
                with self.assertRaises(TimeoutError):
                    while True:
                        self.message(double)
            finally:
                self.end_traced(server, worker)

    def stop_worker(self, server):
        """Traces the thread of the worker, which stops it and leaves the others running; its ID."""
        libc = ctypes.CDLL(None, use_errno=True)
        seize, interrupt = 0x4206, 0x4207
        for task in os.listdir(f"/proc/{server.child.pid}/task"):
            with open(f"/proc/{server.child.pid}/task/{task}/comm", encoding="ascii") as name:
                if name.read().strip() != f"knul-{server.port}-0":
                    continue
            for request in (seize, interrupt):
                if libc.ptrace(request, int(task), 0, 0) != 0:
                    self.skipTest("this system does not let a process trace its child")
            return int(task)
        return self.fail("the worker has no thread")

    def end_traced(self, server, worker):
        """A traced thread stays until its tracer has waited for it, and so does its process."""
        server.child.kill()
        wait_for_all_threads = 0x40000000
        while os.WIFSTOPPED(os.waitpid(worker, wait_for_all_threads)[1]):
            pass

    def test_a_long_drain_reports_what_it_waits_for_and_asks_for_time(self):
        double = self.listen(f"{self.place.name}/notify")
        with Server(self.folder, "--service", "perf", "--drain-timeout-ms", "60000",
                    environment={"NOTIFY_SOCKET": f"{self.place.name}/notify"}) as server:
            client = subprocess.Popen(
                [knul_process.knul_path, "perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--download", "0",
                 "--duration", "100"], env=knul_process.clean_environment(), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            try:
                while "total_requests" not in (stats := self.statistics(server)) or stats["total_requests"] == 0:
                    pass
                server.send(signal.SIGTERM)
                self.assertEqual(self.message_with(double, "STOPPING")["EXTEND_TIMEOUT_USEC"], "10000000")
                self.assertRegex(self.message_with(double, "STATUS")["STATUS"],
                                 r"waits for 1 connection\(s\) with \d+ stream\(s\), \d+ of at most 60 s")
                self.message_with(double, "EXTEND_TIMEOUT_USEC")
                server.send(signal.SIGTERM)
                self.assertEqual(server.wait(), 4)
            finally:
                client.kill()
                client.wait()

    def statistics(self, server):
        server.send(signal.SIGUSR1)
        return server.event("stats")["stats"]

    def test_serves_although_the_manager_is_gone(self):
        with Server(self.folder, environment={"NOTIFY_SOCKET": f"{self.place.name}/nobody"}) as server:
            self.assertEqual(server.drain()[0], 0)
            self.assertIn("NOTIFY_SOCKET", server.error_text())


class ClientCertificates(KnulTest):
    """serve --client-auth with clients whose certificates come from knul cert."""

    def certificate(self, *arguments, out):
        result = run("cert", "--force", *arguments, "--out", f"{self.folder}/{out}")
        self.assertEqual(result.returncode, 0, result.stderr)
        return f"{self.folder}/{out}"

    def setUp(self):
        self.clients = self.certificate("--authority", "Clients", out="clients")
        self.others = self.certificate("--authority", "Others", out="others")
        self.alice = self.certificate("--client", "alice", "--issuer", self.clients, out="alice")
        self.mallory = self.certificate("--client", "mallory", "--issuer", self.others, out="mallory")

    def serve(self, mode, authority):
        return Server(self.folder, "--workers", "1", "--service", "perf", "--client-auth", mode, "--client-ca",
                      f"{authority}/cert.pem", environment={"KNUL_LOG": "warning"})

    def request(self, server, folder=None):
        identity = credentials_of(folder) if folder else ()
        return run("perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--requests", "1", *identity)

    def test_client_certificates_decide_who_is_served(self):
        with self.serve("required", self.clients) as server:
            self.assertEqual(self.request(server, self.alice).returncode, 0)
            for refused, code in ((self.request(server), "0x174"), (self.request(server, self.mallory), "0x130")):
                self.assertEqual(refused.returncode, 1)
                self.assertIn(f"--cert (code {code})", refused.stderr)
            server.drain()
            messages = [json.loads(line) for line in server.error_text().splitlines()]
            kinds = [message["message"] for message in messages if message["kind"] == "client_certificate"]
            self.assertEqual(len(kinds), 2, messages)
            self.assertIn("refused: TLS alert 116: no client certificate, expected one", kinds[0])
            self.assertIn("not issued by an authority", kinds[1])

    def test_new_authorities_judge_client_certificates_after_sighup(self):
        authority = self.certificate("--authority", "Present", out="present")
        for name in ("cert.pem", "key.pem"):
            os.replace(f"{self.clients}/{name}", f"{authority}/{name}")
        with self.serve("optional", authority) as server:
            self.assertEqual(self.request(server, self.alice).returncode, 0)
            self.assertEqual(self.request(server).returncode, 0)
            self.assertEqual(self.request(server, self.mallory).returncode, 1)
            os.replace(f"{self.others}/cert.pem", f"{authority}/cert.pem")
            server.send(signal.SIGHUP)
            server.event("reloaded")
            self.assertEqual(self.request(server, self.mallory).returncode, 0)
            self.assertEqual(self.request(server, self.alice).returncode, 1)
            server.drain()

    def test_client_certificates_need_both_files_and_a_usable_authority(self):
        for arguments, part in (
                (("--client-auth", "required"), "client_ca_path"),
                (("--client-auth", "required", "--client-ca", f"{self.folder}/missing"), "missing"),
                (("--client-auth", "required", "--client-ca", f"{self.clients}/key.pem"), "private key"),
                (("--client-ca", f"{self.clients}/cert.pem"), "client_auth")):
            result = run("serve", "--check-config", "--port", "0", *self.credentials, *arguments)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(part, result.stderr)
        result = run("perf", "127.0.0.1:1", "--requests", "1", "--cert", f"{self.alice}/cert.pem")
        self.assertEqual(result.returncode, 2)
        result = run("cert", "--client", "bob", "--issuer", self.alice, "--out", f"{self.folder}/bob")
        self.assertEqual(result.returncode, 2)
        self.assertIn("not an authority", result.stderr)


class Activation(KnulTest):
    """A socket that the server inherits, as from a socket unit."""

    def serve(self, given, *arguments, names=None, count=1):
        """Runs the server with the given descriptors as 3 and up. LISTEN_PID is the process ID, which exec keeps."""
        script = (
            "import os, sys\n"
            "for index, given in enumerate(sys.argv[1].split(',')):\n"
            "    os.dup2(int(given), 3 + index, inheritable=True)\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "os.execv(sys.argv[2], sys.argv[2:])\n")
        variables = {"LISTEN_FDS": str(count), **({"LISTEN_FDNAMES": names} if names else {})}
        command = [knul_process.knul_path, "serve", "--json", *self.credentials, *arguments]
        return subprocess.Popen(
            [sys.executable, "-c", script, ",".join(map(str, given)), *command],
            env=knul_process.clean_environment(variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, pass_fds=given)

    def bound(self, reuse=False):
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(bound.close)
        if reuse:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", 0))
        # Not among the descriptors that the script replaces.
        kept = fcntl.fcntl(bound.fileno(), fcntl.F_DUPFD_CLOEXEC, 20)
        self.addCleanup(os.close, kept)
        return bound, kept

    def requests(self, server, port, workers, steering):
        listening = json.loads(server.stdout.readline())
        self.assertEqual((listening["event"], listening["port"], listening["host"]), ("listening", port, "127.0.0.1"))
        result = run("perf", f"127.0.0.1:{port}", "--ca", self.ca, "--handshakes", "8", "--parallel", "4")
        self.assertEqual(result.returncode, 0, result.stderr)
        server.send_signal(signal.SIGTERM)
        output, errors = server.communicate(timeout=LIMIT_SECONDS)
        self.assertEqual(server.returncode, 0, errors)
        stats = json.loads(output.splitlines()[-1])["stats"]
        self.assertEqual((stats["workers"], stats["steering"]), (workers, steering))

    def test_serves_on_the_socket_that_it_inherits(self):
        for reuse, steering in ((False, "single_socket"), (True, "bpf")):
            given, kept = self.bound(reuse)
            with self.serve([kept], "--workers", "2", "--service", "perf") as server:
                self.requests(server, given.getsockname()[1], 2, steering)

    def test_takes_the_socket_with_its_name(self):
        (_, first), (given, kept) = self.bound(), self.bound()
        with self.serve([first, kept], "--workers", "1", "--service", "perf", names="other:knul", count=2) as server:
            self.requests(server, given.getsockname()[1], 1, "single_socket")

    def fails(self, given, *arguments, **options):
        with self.serve(given, *arguments, **options) as server:
            _, errors = server.communicate(timeout=LIMIT_SECONDS)
            self.assertEqual(server.returncode, 2, errors)
            return errors

    def test_names_what_is_wrong(self):
        (_, first), (_, second) = self.bound(), self.bound()
        self.assertIn("LISTEN_FDS", self.fails([first, second], names="a:b", count=2))
        self.assertIn("--port: port", self.fails([first], "--port", "4433"))
        stream = socket.socket()
        self.addCleanup(stream.close)
        kept = fcntl.fcntl(stream.fileno(), fcntl.F_DUPFD_CLOEXEC, 20)
        self.addCleanup(os.close, kept)
        self.assertIn("LISTEN_FDS: listen_fd is 3, not a UDP socket", self.fails([kept]))

    def test_ignores_descriptors_of_another_process(self):
        with Server(self.folder, environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
            self.assertEqual(server.drain()[0], 0)


class KeyLog(KnulTest):
    def serve(self, *arguments, **variables):
        """The statistics of a server with one client, and its log."""
        with Server(self.folder, "--service", "perf", *arguments, environment=variables) as server:
            result = knul_process.run(
                "perf", f"127.0.0.1:{server.port}", "--ca", self.ca, "--requests", "1", environment=variables)
            self.assertEqual(result.returncode, 0, result.stderr)
            _, stopped = server.drain()
            return stopped["stats"], server.error_text()

    def test_the_environment_writes_no_secrets(self):
        path = f"{self.folder}/environment"
        stats, _ = self.serve(SSLKEYLOGFILE=path)
        self.assertEqual(stats["key_log"], 0)
        self.assertFalse(os.path.exists(path) and os.path.getsize(path) > 0)

    def test_the_setting_writes_the_secrets_of_every_connection_to_a_private_file(self):
        path = f"{self.folder}/keys"
        stats, log = self.serve("--key-log-path", path)
        self.assertEqual(stats["key_log"], 1)
        self.assertIn("key_log_path", log)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        labels = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
                  "SERVER_TRAFFIC_SECRET_0"}
        self.assertLessEqual(labels, {line.split()[0] for line in lines})
        for line in lines:
            self.assertRegex(line, r"^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$")

    def test_a_link_is_refused(self):
        os.symlink(f"{self.folder}/elsewhere", f"{self.folder}/link")
        result = run("serve", "--port", "0", *self.credentials, "--key-log-path", f"{self.folder}/link")
        self.assert_fails(result, 2, "key_log_path", "symbolic link")
        self.assertFalse(os.path.exists(f"{self.folder}/elsewhere"))


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
