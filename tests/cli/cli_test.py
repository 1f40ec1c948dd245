#!/usr/bin/env python3
"""The knul command from outside. cli_test.py --knul PATH [unittest arguments]"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import stat
import tempfile

import knul_process
from knul_process import KnulTest, Process, Server, run


class Help(KnulTest):
    def test_lists_the_commands(self):
        shown = run("--help")
        self.assertEqual(shown.returncode, 0)
        for command in ("serve", "cert", "perf", "get", "stats", "top", "check"):
            self.assertIn(f"\n  {command} ", shown.stdout)

    def test_shows_every_setting_with_its_default(self):
        shown = run("serve", "--help").stdout
        for flag in ("--max-streams", "--idle-timeout-ms", "--cert-path,--cert", "--gso", "--service-root,--root"):
            self.assertIn(flag, shown)
        self.assertRegex(shown, r"idle-timeout-ms 1000\.\.86400000 .*\n? .*\[30000\]")

    def test_shows_the_help_of_every_command(self):
        for command in ("serve", "cert", "perf", "get", "stats", "top", "check"):
            shown = run(command, "--help")
            self.assertEqual(shown.returncode, 0, command)
            self.assertIn("Exit codes" if command != "cert" else "--days", shown.stdout)

    def test_prints_the_version(self):
        self.assertRegex(run("--version").stdout, r"^knul \d+\.\d+\.\d+\n$")


class Usage(KnulTest):
    def serve(self, *arguments, environment=None):
        return run("serve", *self.credentials, "--port", "0", *arguments, environment=environment)

    def test_names_an_unknown_flag_and_the_help(self):
        self.assert_fails(run("serve", "--prot", "1"), 2, "--prot", "knul serve --help")

    def test_names_an_unknown_command(self):
        self.assert_fails(run("sevre"), 2, "sevre")

    def test_needs_a_command(self):
        self.assert_fails(run(), 2, "--help")

    def test_says_how_to_get_a_certificate(self):
        self.assert_fails(run("serve", "--port", "0"), 2, "cert_path", "knul cert --out DIR")

    def test_gives_no_advice_on_certificates_when_another_setting_is_wrong(self):
        result = self.serve("--service", "hq", "--root", "/nothing/cert_path")
        self.assert_fails(result, 2, "service_root", "/nothing/cert_path")
        self.assertNotIn("knul cert", result.stderr)

    def test_names_a_certificate_that_is_missing(self):
        result = run("serve", "--port", "0", "--cert", "/nothing.pem", "--key", f"{self.folder}/key.pem")
        self.assert_fails(result, 2, "cert_path", "/nothing.pem")

    def test_names_the_setting_that_is_out_of_range(self):
        self.assert_fails(self.serve("--workers", "65"), 2, "workers", "65")
        self.assert_fails(self.serve("--retry", "sometimes"), 2, "retry", "sometimes")
        self.assert_fails(self.serve("--service", "http"), 2, "service", "http")

    def test_names_the_flag_whose_value_is_no_number(self):
        self.assert_fails(self.serve("--max-streams", "many"), 2, "--max-streams", "many")

    def test_names_the_config_file_that_is_missing(self):
        self.assert_fails(self.serve("--config", "/nothing.toml"), 2, "/nothing.toml")

    def test_hq_needs_a_root(self):
        self.assert_fails(self.serve("--service", "hq"), 2, "service_root")

    def test_says_that_the_port_is_taken(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            self.assert_fails(self.serve("--port", str(taken.getsockname()[1])), 1, str(taken.getsockname()[1]))

    def test_perf_and_get_say_what_is_missing(self):
        self.assert_fails(run("perf", "localhost:1"), 2, "--download")
        self.assert_fails(run("perf", "localhost", "--download", "1"), 2, "HOST:PORT")
        self.assert_fails(run("perf", "localhost:1", "--download", "1X"), 2, "1X")
        self.assert_fails(run("perf", "localhost:1", "--download", "0"), 2, "--duration")
        self.assert_fails(run("perf", "localhost:1", "--requests", "9", "--active", "2"), 2, "--connections")
        self.assert_fails(run("perf", "localhost:1", "--requests", "9", "--server-pid", "99999999"), 2, "99999999")
        self.assert_fails(run("get", "localhost:1"), 2, "PATH")
        self.assert_fails(run("get", "localhost:1", "/x", "--ca", "/nothing.pem"), 2, "/nothing.pem")


class Config(KnulTest):
    def write(self, text):
        path = pathlib.Path(self.folder, "knul.toml")
        path.write_text(text)
        return str(path)

    def workers(self, *arguments, environment=None):
        with Server(self.folder, *arguments, environment=environment) as server:
            workers = server.listening["workers"]
            self.assertEqual(server.drain()[0], 0)
            return workers

    def test_prefers_flags_to_the_file_and_the_file_to_the_environment(self):
        environment = {"KNUL_WORKERS": "3"}
        self.assertEqual(self.workers(environment=environment), 3)
        config = self.write("workers = 2\n")
        self.assertEqual(self.workers("--config", config, environment=environment), 2)
        self.assertEqual(self.workers("--config", config, "--workers", "1", environment=environment), 1)

    def admin(self, *arguments):
        with Server(self.folder, *arguments) as server:
            admin = server.listening["admin"]
            self.assertEqual(server.drain()[0], 0)
            return admin

    def test_serves_operators_at_the_address_that_admin_gives(self):
        self.assertRegex(self.admin("--admin", "127.0.0.1:0"), r"^127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(self.admin(f"--admin=unix:{self.folder}/admin"), f"unix:{self.folder}/admin")
        config = self.write('admin = "127.0.0.1:0"\n')
        self.assertEqual(self.admin("--config", config, "--admin", ""), "")

    def test_admin_without_a_value_means_port_9464_of_the_loopback_address(self):
        # The port may be in use: the error then names it.
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                taken.bind(("127.0.0.1", 9464))
                taken.listen()
            for arguments in (("--admin", "--workers", "1"), ("--workers", "1", "--admin")):
                result = run("serve", "--port", "0", *self.credentials, *arguments)
                self.assert_fails(result, 1, "admin", "127.0.0.1:9464")

    def test_takes_a_whole_server_from_the_file(self):
        config = self.write(
            f'cert_path = "{self.ca}"\nkey_path = "{self.folder}/key.pem"\nport = 0\nworkers = 1\n'
            'service = "echo"\nalpn = ["one", "two"]\ngso = false\nhost = "::1"\n')
        with Process("serve", "--json", "--config", config) as server:
            listening = json.loads(server.line())
            self.assertEqual((listening["alpn"], listening["service"]), (["one", "two"], "echo"))
            self.assertEqual(listening["host"], "::1")
            server.send(signal.SIGTERM)
            self.assertEqual(server.wait(), 0, server.error_text())

    def test_names_the_line_of_an_unknown_setting(self):
        result = run("serve", "--config", self.write("workers = 1\nprot = 2\n"))
        self.assert_fails(result, 2, "knul.toml:2", "prot")

    def test_names_the_variable_that_is_wrong(self):
        result = run("serve", environment={"KNUL_PORT": "x"})
        self.assert_fails(result, 2, "KNUL_PORT")


class Cert(KnulTest):
    def test_keeps_the_key_private(self):
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.folder}/key.pem").st_mode), 0o600)

    def test_replaces_files_only_with_force(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run("cert", "--out", folder).returncode, 0)
            before = pathlib.Path(folder, "cert.pem").read_bytes()
            self.assert_fails(run("cert", "--out", folder), 2, "cert.pem", "--force")
            self.assertEqual(pathlib.Path(folder, "cert.pem").read_bytes(), before)
            self.assertEqual(run("cert", "--out", folder, "--force").returncode, 0)
            self.assertNotEqual(pathlib.Path(folder, "cert.pem").read_bytes(), before)

    def test_is_for_the_hosts_given(self):
        with tempfile.TemporaryDirectory() as folder:
            made = run("cert", "--out", folder, "--host", "example.test", "--host", "10.0.0.1", "--days", "3")
            self.assertIn("example.test, 10.0.0.1, 3 day(s)", made.stdout)

    def test_names_a_folder_that_cannot_be_made(self):
        self.assert_fails(run("cert", "--out", "/dev/null/x"), 2, "/dev/null/x")
        self.assert_fails(run("cert"), 2, "--out")


class Serve(KnulTest):
    def test_listens_and_stops_on_each_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server(self.folder, "--workers", "1") as server:
                self.assertGreater(server.port, 0)
                self.assertEqual(server.listening["pid"], server.child.pid)
                server.send(number)
                stopped = server.event("stopped")
                self.assertTrue(stopped["clean"])
                self.assertIn("total_requests", stopped["stats"])
                for library in ("ngtcp2", "GnuTLS", "Nettle", "Zstandard", "abseil", "nlohmann-json", "glibc"):
                    self.assertRegex(stopped["stats"]["libraries"], rf"{library} \d+")
                self.assertEqual(server.wait(), 0)

    def test_prints_statistics_at_the_interval(self):
        with Server(self.folder, "--stats-interval", "0.02") as server:
            first = server.event("stats")["stats"]["uptime_ms"]
            self.assertGreater(server.event("stats")["stats"]["uptime_ms"], first)

    def test_speaks_text_without_json(self):
        with Process("serve", *self.credentials, "--stats-interval", "0.02", "--admin",
                     "127.0.0.1:0") as server:
            self.assertRegex(server.line(), r"^listening on 127\.0\.0\.1:\d+, ")
            self.assertRegex(server.line(), r"^admin listener on http://127\.0\.0\.1:[1-9]\d*/$")
            self.assertRegex(server.line(), r"^connections 0  requests 0/s ")
            server.send(signal.SIGTERM)
            last = ""
            while (line := server.line()) is not None:
                last = line
            self.assertRegex(last, r"^in total: 0 request\(s\), ")
            self.assertEqual(server.wait(), 0)

    def test_frees_its_port(self):
        with Server(self.folder) as first:
            self.assertEqual(first.drain()[0], 0)
        with Server(self.folder, "--port", str(first.port)) as second:
            self.assertEqual(second.port, first.port)


class Drain(KnulTest):
    """With a download that never ends."""

    def busy(self, *arguments):
        server = self.enterContext_(Server(self.folder, "--service", "perf", "--stats-interval", "0.02", *arguments))
        client = self.enterContext_(Process("perf", f"localhost:{server.port}", "--ca", self.ca, "--download", "0",
                                            "--duration", "100"))
        while server.event("stats")["stats"]["total_requests"] == 0:
            pass
        return server, client

    # unittest has enterContext from Python 3.11 on.
    def enterContext_(self, context):
        entered = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return entered

    def test_cuts_what_is_left_at_the_deadline(self):
        server, client = self.busy("--drain-timeout-ms", "300")
        code, stopped = server.drain()
        self.assertEqual(code, 3)
        self.assertEqual((stopped["clean"], stopped["streams_cut"]), (False, 1))
        self.assertGreaterEqual(stopped["elapsed_ms"], 300)
        self.assertEqual(client.wait(), 1)
        self.assertIn("closed the connection", client.error_text())

    def test_ends_at_once_on_a_second_signal(self):
        server, _ = self.busy("--drain-timeout-ms", "3600000")
        server.send(signal.SIGTERM)
        self.assertEqual(server.event("draining")["deadline_ms"], 3_600_000)
        server.send(signal.SIGINT)
        server.event("forced")
        self.assertEqual(server.wait(), 4)


class Perf(KnulTest):
    def measure(self, server, *arguments):
        result = run("perf", f"localhost:{server.port}", "--ca", self.ca, "--json", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_moves_exactly_the_bytes_asked_for(self):
        with Server(self.folder, "--service", "perf") as server:
            down, up = self.measure(server, "--download", "5M", "--upload", "3M", "--connections", "2", "--streams", "3")
            self.assertEqual((down["mode"], down["bytes"]), ("download", 2 * 5 << 20))
            self.assertEqual((up["mode"], up["bytes"]), ("upload", 2 * 3 << 20))
            self.assertGreater(down["gbit_per_second"], 0)
            code, stopped = server.drain()
            self.assertEqual((code, stopped["stats"]["total_requests"]), (0, 12))
            self.assertGreater(stopped["stats"]["total_bytes_out"], 10 << 20)
            self.assertGreater(stopped["stats"]["total_bytes_in"], 6 << 20)

    def test_makes_exactly_the_requests_asked_for(self):
        with Server(self.folder, "--service", "perf", "--max-streams", "8") as server:
            arguments = ("--requests", "2000", "--depth", "20", "--connections", "3", "--response-bytes", "2K")
            (report,) = self.measure(server, *arguments)
            self.assertEqual(report["requests"], 2000)
            self.assertGreater(report["p50_us"], 0)
            self.assertGreaterEqual(report["p99_us"], report["p50_us"])
            self.assertEqual(server.drain()[1]["stats"]["total_requests"], 2000)

    def test_makes_exactly_the_requests_asked_for_in_turns(self):
        with Server(self.folder, "--service", "perf") as server:
            arguments = ("--requests", "500", "--depth", "4", "--connections", "100", "--active", "3")
            (report,) = self.measure(server, *arguments)
            self.assertEqual((report["requests"], report["connections"]), (500, 100))
            self.assertEqual(server.drain()[1]["stats"]["total_requests"], 500)

    def test_tells_the_cpu_time_of_the_server_without_that_of_the_connections(self):
        with Server(self.folder, "--service", "perf") as server:
            pid = str(server.listening["pid"])
            arguments = ("--download", "1M", "--requests", "100", "--connections", "50", "--server-pid", pid)
            down, requests = self.measure(server, *arguments)
            self.assertGreater(down["server_cpu_seconds"], requests["server_cpu_seconds"])
            self.assertGreater(requests["server_cpu_seconds"], 0)

    def test_closes_idle_connections_when_it_is_told_to(self):
        arguments = ("--idle-timeout", "1000", "--requests", "0", "--duration", "60", "--connections", "2",
                     "--active", "1", "--depth", "1", "--response-bytes", "100G")
        with Server(self.folder, "--service", "perf") as server:
            result = run("perf", f"localhost:{server.port}", "--ca", self.ca, *arguments)
            self.assert_fails(result, 1, "timed out")

    def test_makes_exactly_the_handshakes_asked_for(self):
        with Server(self.folder, "--service", "perf") as server:
            (report,) = self.measure(server, "--handshakes", "25", "--parallel", "4")
            self.assertEqual((report["handshakes"], report["failed"]), (25, 0))
            self.assertEqual(server.drain()[1]["stats"]["handshakes_completed"], 25)

    def test_resumes_a_session_in_every_handshake_only_if_asked_to(self):
        with Server(self.folder, "--service", "perf") as server:
            for arguments, resumed in (("--resume",), 25), ((), 0):
                (report,) = self.measure(server, "--handshakes", "25", "--parallel", "4", *arguments)
                self.assertEqual((report["handshakes"], report["resumed"], report["failed"]), (25, resumed, 0))
            stats = server.drain()[1]["stats"]
            # One more fetches the first ticket.
            self.assertEqual((stats["handshakes_completed"], stats["handshakes_resumed"]), (51, 25))

    def test_resumes_handshakes_only(self):
        self.assert_fails(run("perf", "localhost:1", "--download", "1", "--resume"), 2, "--handshakes")

    def test_ends_after_the_duration(self):
        with Server(self.folder, "--service", "perf") as server:
            down, requests = self.measure(server, "--download", "0", "--requests", "0", "--duration", "0.3")
            for report in (down, requests):
                self.assertGreaterEqual(report["seconds"], 0.3)
            self.assertGreater(down["bytes"], 0)
            self.assertGreater(requests["requests"], 0)

    def test_speaks_text_without_json(self):
        with Server(self.folder, "--service", "perf", "--host", "::1") as server:
            result = run("perf", f"[::1]:{server.port}", "--insecure", "--download", "64K")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stdout, r"^download +\d+\.\d+ Gbit/s  64\.0 KiB in ")

    def test_says_what_to_do_about_an_untrusted_certificate(self):
        with Server(self.folder, "--service", "perf") as server:
            result = run("perf", f"localhost:{server.port}", "--download", "1")
            self.assert_fails(result, 1, "certificate", "--ca FILE")

    def test_checks_the_name_in_the_certificate(self):
        with Server(self.folder, "--service", "perf") as server:
            arguments = ("--ca", self.ca, "--server-name", "other.test", "--download", "1")
            self.assert_fails(run("perf", f"localhost:{server.port}", *arguments), 1, "certificate")

    def test_says_that_the_server_speaks_another_protocol(self):
        with Server(self.folder, "--service", "echo") as server:
            result = run("perf", f"localhost:{server.port}", "--ca", self.ca, "--download", "1")
            self.assert_fails(result, 1, "protocol", "--service")

    def test_says_that_nobody_answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            arguments = ("--insecure", "--download", "1", "--connect-timeout", "200")
            result = run("perf", f"127.0.0.1:{silent.getsockname()[1]}", *arguments)
            self.assert_fails(result, 1, "no answer")


class Get(KnulTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(cls.folder, "root")
        cls.root.joinpath("sub").mkdir(parents=True)
        cls.root.joinpath("small").write_bytes(b"small file\n")
        cls.root.joinpath("empty").write_bytes(b"")
        cls.root.joinpath("sub/large").write_bytes(random.Random(1).randbytes(5_000_000))
        cls.server = Server(cls.folder, "--service", "hq", "--root", str(cls.root))

    @classmethod
    def tearDownClass(cls):
        cls.server.drain()
        super().tearDownClass()

    def get(self, *arguments):
        return run("get", f"localhost:{self.server.port}", *arguments, "--ca", self.ca)

    def test_stores_files_below_a_folder(self):
        out = pathlib.Path(self.folder, "out")
        result = self.get("/small", "sub/large", "/empty", "--out", str(out))
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("small", "sub/large", "empty"):
            digests = [hashlib.sha256(path.joinpath(name).read_bytes()).hexdigest() for path in (self.root, out)]
            self.assertEqual(digests[0], digests[1], name)
        self.assertIn("/sub/large  4.77 MiB (5000000 bytes)", result.stdout)

    def test_writes_to_standard_output_in_the_order_asked_for(self):
        result = self.get("/small", "/empty", "/small")
        self.assertEqual((result.returncode, result.stdout), (0, "small file\nsmall file\n"))

    def test_takes_a_url(self):
        result = run("get", f"hq://localhost:{self.server.port}/small", "--ca", self.ca)
        self.assertEqual((result.returncode, result.stdout), (0, "small file\n"), result.stderr)

    def test_says_why_a_file_did_not_come_and_fetches_the_others(self):
        out = pathlib.Path(self.folder, "some")
        result = self.get("/nothing", "/small", "/sub", "--out", str(out))
        self.assert_fails(result, 1, "/nothing: not found (404)", "/sub: not found (404)")
        self.assertEqual(sorted(os.listdir(out)), ["small"])

    def test_is_refused_outside_of_the_root(self):
        self.assert_fails(self.get("/../cert.pem"), 1, "/../cert.pem: forbidden (403)")

    def test_prints_json(self):
        result = self.get("/small", "/nothing", "--json", "--out", f"{self.folder}/json")
        lines = sorted((json.loads(line) for line in result.stdout.splitlines()), key=lambda line: line["path"])
        self.assertEqual([(line["path"], line["ok"], line["bytes"]) for line in lines],
                         [("/nothing", False, 0), ("/small", True, 11)])


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
