#!/usr/bin/env python3
"""knul check: each row that can fail without privilege is seen to fail.
check_test.py --knul PATH [unittest arguments]"""
import json
import os
import resource
import socket
import subprocess

import knul_process
from knul_process import LIMIT_SECONDS, KnulTest, run


class MachineCheck(KnulTest):
    def arguments(self, *others):
        return ("check", *self.credentials, *others)

    def rows(self, result):
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        levels = [row["level"] for row in report["findings"]]
        worst = "failure" if "failure" in levels else "warning" if "warning" in levels else "ok"
        self.assertEqual(report["level"], worst)
        self.assertEqual(result.returncode, 1 if worst == "failure" else 0)
        return {row["name"]: row for row in report["findings"]}

    def check(self, *others):
        """The rows by name."""
        return self.rows(run(*self.arguments("--json", *others)))

    def test_examines_everything(self):
        rows = self.check("--workers", "2", "--admin", "127.0.0.1:0")
        for name in ("certificate", "port", "steering", "admin port", "receive buffer", "send buffer", "GSO", "GRO",
                     "ECN", "descriptors", "processor", "libraries", "clock"):
            self.assertIn(name, rows)
        for name in ("certificate", "port", "admin port", "descriptors"):
            self.assertEqual(rows[name]["level"], "ok", rows[name])
        self.assertIn("localhost", rows["certificate"]["found"])
        self.assertIn("ngtcp2 ", rows["libraries"]["found"])

    def test_prints_text_with_a_count(self):
        result = run(*self.arguments())
        self.assertRegex(result.stdout, r"(?m)^ok       certificate     cert_path ")
        self.assertRegex(result.stdout, r"(?m)^\d+ failures?, \d+ warnings?$")

    def test_uses_what_the_server_uses(self):
        rows = self.check("--no-gso", "--packet-protection", "gnutls", "--workers", "1")
        self.assertIn("switched off", rows["GSO"]["found"])
        self.assertIn("GnuTLS", rows["processor"]["found"])
        self.assertEqual(rows["steering"]["found"], "one socket")

    def test_fails_for_a_key_of_another_certificate(self):
        other = f"{self.folder}/other"
        self.assertEqual(run("cert", "--out", other, "--force").returncode, 0)
        rows = self.check("--key", f"{other}/key.pem")
        self.assertEqual(rows["certificate"]["level"], "failure")
        self.assertIn("key_path", rows["certificate"]["found"])
        self.assertEqual(rows["port"]["level"], "ok")

    def test_fails_for_files_that_are_missing(self):
        self.assertIn("/nothing.pem", self.check("--cert", "/nothing.pem")["certificate"]["found"])

    def test_fails_for_an_expired_certificate(self):
        maker = os.environ.get("KNUL_EXPIRED_CERTIFICATE")
        if maker is None:
            self.skipTest("KNUL_EXPIRED_CERTIFICATE does not name the program that makes it")
        subprocess.run([maker, self.folder], check=True, timeout=LIMIT_SECONDS)
        expired = f"{self.folder}/expired"
        row = self.check("--cert", f"{expired}.cert.pem", "--key", f"{expired}.key.pem")["certificate"]
        self.assertEqual(row["level"], "failure")
        self.assertIn("has expired", row["found"])
        self.assertIn("renew", row["advice"])

    def test_fails_for_a_port_that_is_taken(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            row = self.check("--port", str(taken.getsockname()[1]))["port"]
            self.assertEqual(row["level"], "failure")
            self.assertIn("choose another port or stop the server", row["advice"])

    def test_fails_for_an_admin_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            row = self.check("--admin", f"127.0.0.1:{taken.getsockname()[1]}")["admin port"]
            self.assertEqual(row["level"], "failure")

    def test_fails_for_too_few_descriptors(self):
        result = subprocess.run(
            [knul_process.knul_path, *self.arguments("--json", "--workers", "16")], capture_output=True, text=True,
            env=knul_process.clean_environment(), timeout=LIMIT_SECONDS,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
        row = self.rows(result)["descriptors"]
        self.assertEqual(row["level"], "failure")
        self.assertIn("at most 40 open files", row["found"])
        self.assertIn("LimitNOFILE", row["advice"])

    def test_warns_of_buffers_that_the_kernel_does_not_grant(self):
        wanted, force = 64 << 20, 33  # SO_RCVBUFFORCE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, force, wanted)
            except PermissionError:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
            is_granted = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 >= wanted
        row = self.check("--socket-receive-buffer-bytes", str(wanted))["receive buffer"]
        self.assertEqual(row["level"], "ok" if is_granted else "warning", row)
        if not is_granted:
            self.assertIn(f"sysctl -w net.core.rmem_max={wanted}", row["advice"])

    def test_refuses_wrong_settings_as_serve_does(self):
        self.assert_fails(run(*self.arguments("--workers", "65")), 2, "--workers", "65")
        self.assert_fails(run(*self.arguments("--service", "hq", "--root", "/nothing")), 2, "service_root")
        self.assert_fails(run(*self.arguments("--config", "/nothing.toml")), 2, "/nothing.toml")
        self.assert_fails(run("check"), 2, "cert_path")

    def test_reads_the_file_and_the_environment(self):
        path = f"{self.folder}/check.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write("workers = 3\n")
        rows = self.check("--config", path)
        self.assertRegex(rows["descriptors"]["found"], r"opens up to 25;")
        result = run(*self.arguments("--json"), environment={"KNUL_WORKERS": "4"})
        self.assertRegex(self.rows(result)["descriptors"]["found"], r"opens up to 28;")


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
