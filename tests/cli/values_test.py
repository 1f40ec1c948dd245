#!/usr/bin/env python3
"""Every value that a person can type and that is wrong is refused, with its source: command x flag x value.
values_test.py --knul PATH [unittest arguments]"""
import itertools
import pathlib
import re
import unittest

import knul_process
from knul_process import KnulTest, run

# Of no number that knul takes: sign, kind, base, spaces, and more than 64 bits.
NO_NUMBERS = ("-1", "-0", "+5", "1.5", "1e3", "0x10", "x", "", " 5", "5 ", "5,6", "nan", "inf",
              "99999999999999999999999", "1_000")
NO_BYTES = tuple(value for value in NO_NUMBERS) + ("1KK", "K", "1.5B", "64X")

# command, flag, what goes with it, least, most
CLIENT_NUMBERS = [
    ("perf", "--connections", ("--requests", "1"), 1, 100_000),
    ("perf", "--streams", ("--download", "1"), 1, 1_000_000),
    ("perf", "--depth", ("--requests", "1"), 1, 1_000_000),
    ("perf", "--active", ("--requests", "1"), 1, 100_000),
    ("perf", "--parallel", ("--handshakes", "1"), 1, 100_000),
    ("perf", "--requests", (), 0, 1 << 62),
    ("perf", "--handshakes", (), 0, 1 << 62),
    ("perf", "--server-pid", ("--requests", "1"), 1, (1 << 31) - 1),
    ("perf", "--connect-timeout", ("--requests", "1"), 100, 600_000),
    ("perf", "--idle-timeout", ("--requests", "1"), 1_000, 86_400_000),
    ("perf", "--busy-poll-us", ("--requests", "1"), 0, 1_000),
    ("get", "--parallel", ("/x",), 1, 1_000),
    ("get", "--connect-timeout", ("/x",), 100, 600_000),
    ("get", "--idle-timeout", ("/x",), 1_000, 86_400_000),
    ("get", "--busy-poll-us", ("/x",), 0, 1_000),
    ("cert", "--days", ("--out", "/dev/null/x"), 1, 3_650),
]
CLIENT_BYTES = ["--download", "--upload", "--request-bytes", "--response-bytes"]
DECIMALS = [("perf", "--duration", ("--requests", "1"), "0.09", "86400.5"),
            ("serve", "--stats-interval", (), "0.0009", "86400.5"),
            ("top", "--interval", (), "0.09", "3600.5")]


def arguments_of(command, flag, value, others):
    server = ("localhost:1",) if command in ("perf", "get") else ()
    # With "=", because a value may begin with a dash.
    return (command, *server, *others, f"{flag}={value}" if value else flag, *(() if value else ("",)))


class Values(KnulTest):
    def refuse(self, result, *words):
        self.assertEqual(result.returncode, 2, f"{result.args[1:]}\n{result.stdout}{result.stderr}")
        self.assertTrue(result.stderr.startswith("knul: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr, result.args[1:])

    def serve(self, *arguments, environment=None):
        return run("serve", *self.credentials, *arguments, environment=environment)

    def settings(self):
        """(flag, least, most) of every setting that is a whole number, as the help shows them."""
        found = re.findall(r"--([a-z0-9-]+) (\d+)\.\.(\d+)", run("serve", "--help").stdout)
        self.assertGreater(len(found), 20)
        return [(f"--{name}", int(least), int(most)) for name, least, most in found]

    def outside(self, flag, least, most):
        # The one setting that is cut to its range, see settings.md.
        above = () if flag == "--idle-timeout-ms" else (str(most + 1),)
        return (str(least - 1),) * (least > 0) + above

    def test_every_number_of_serve_is_checked_as_a_flag(self):
        values = itertools.cycle(NO_NUMBERS)
        for flag, least, most in self.settings():
            for value in (*itertools.islice(values, 3), *self.outside(flag, least, most)):
                self.refuse(self.serve(f"{flag}={value}" if value else flag, *(() if value else ("",))), flag)

    def test_every_number_of_serve_is_checked_as_a_variable(self):
        values = itertools.cycle(value for value in NO_NUMBERS if value)  # an empty one is not set
        for flag, least, most in self.settings():
            variable = "KNUL_" + flag[2:].upper().replace("-", "_")
            for value in (next(values), *self.outside(flag, least, most)[-1:]):
                self.refuse(self.serve(environment={variable: value}), f"knul: {variable}: ")

    def test_every_number_of_serve_is_checked_in_the_file(self):
        values = itertools.cycle(("-1", "1.5", '"5"', "true", "[5]", "nan", "99999999999999999999999"))
        path = pathlib.Path(self.folder, "numbers.toml")
        for flag, least, most in self.settings():
            for value in (next(values), *self.outside(flag, least, most)[-1:]):
                path.write_text(f"# a comment\n{flag[2:].replace('-', '_')} = {value}\n")
                self.refuse(self.serve("--config", str(path)), f"{path}:2: ")

    def test_every_other_value_of_serve_is_checked(self):
        for flag, value in (("--gso", "maybe"), ("--gro", "2"), ("--retry", "Auto"), ("--congestion-control", ""),
                            ("--congestion-control", "cubic "), ("--packet-protection", "openssl"),
                            ("--steering", "none"), ("--service", "http"), ("--host", ""), ("--host", "example.com"),
                            ("--alpn", ""), ("--alpn", "a,,b"), ("--alpn", "a,"), ("--alpn", ",a"), ("--alpn", "a,a"), ("--alpn", "x" * 256),
                            ("--cert", ""), ("--key", ""), ("--root", "/tmp"), ("--service", "")):
            long = {"--cert": "--cert-path", "--key": "--key-path", "--root": "--service-root"}.get(flag, flag)
            result = self.serve(f"{flag}={value}") if value else self.serve(flag, "")
            self.refuse(result, long)

    def test_every_number_of_the_other_commands_is_checked(self):
        for command, flag, others, least, most in CLIENT_NUMBERS:
            outside = ((str(least - 1),) if least else ()) + (str(most + 1),)
            for value in (*NO_NUMBERS[::3], *outside):
                self.refuse(run(*arguments_of(command, flag, value, others)), flag)

    def test_every_number_of_bytes_is_checked(self):
        for flag in CLIENT_BYTES:
            for value in (*NO_BYTES[::2], "8388608T"):
                self.refuse(run(*arguments_of("perf", flag, value, ("--requests", "1"))), flag)
        for value in ("7", "65K"):
            self.refuse(run("perf", "localhost:1", "--requests", "1", "--request-bytes", value), "--request-bytes")

    def test_every_decimal_number_is_checked(self):
        for command, flag, others, low, high in DECIMALS:
            for value in ("-1", "nan", "inf", "x", "", "1e1", "0x1", "+1", "1.2.3", low, high):
                self.refuse(run(*arguments_of(command, flag, value, others)), flag)

    def test_leading_zeros_are_decimal(self):
        result = run("perf", "localhost:1", "--requests", "1", "--connections", "010", "--active", "11")
        self.refuse(result, "--active is above --connections, expected at most 10")

    def test_every_port_is_checked(self):
        for value in ("0", "65536", "-1", "", "x", "4433x", "+1", "1.0"):
            self.refuse(run("perf", f"localhost:{value}", "--download", "1"), "localhost")

    def test_hosts_of_more_than_one_machine_are_refused_by_their_name(self):
        for host, word in (("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("ff02::1", "multicast"),
                           ("255.255.255.255", "broadcast"), ("127.255.255.255", "broadcast"),
                           ("fe80::1", "link-local"), ("fe80::1%lo", "link-local"), ("::ffff:127.0.0.1", "IPv4")):
            self.refuse(self.serve("--host", host), "--host: host is ", word)

    def test_names_in_certificates_are_checked(self):
        for host in ("", " ", "a b", "a..b", ".a", "-a", "a-", "a_b c", "localhost:4433", "[::1]", "https://a", "1.2.3",
                     "1.2.3.4.5", "fe80::1%lo", "münchen.de", "a.*", "x" * 64, "a." * 127 + "a"):
            self.refuse(run("cert", "--out", f"{self.folder}/hosts", f"--host={host}" if host else "--host",
                            *(() if host else ("",))), "--host")
        for host in ("*.example.com", "xn--mnchen-3ya.de", "a_b.example", "::1", "10.0.0.1", "x" * 63 + ".example.com"):
            made = run("cert", "--out", f"{self.folder}/hosts", "--force", "--host", host)
            self.assertEqual(made.returncode, 0, made.stderr)


class Sources(KnulTest):
    def serve(self, *arguments, environment=None):
        return run("serve", "--port", "0", *self.credentials, *arguments, environment=environment)

    def fails(self, result, *words):
        self.assert_fails(result, 2, *words)

    def test_a_variable_that_a_flag_or_the_file_overrides_is_not_judged(self):
        kubernetes = {"KNUL_PORT": "tcp://10.0.0.1:4433", "KNUL_SERVICE_HOST": "10.0.0.1",
                      "KNUL_PORT_4433_UDP_ADDR": "10.0.0.1"}
        self.fails(run("serve", environment=kubernetes), "KNUL_PORT", "Kubernetes")
        # Each fails for another reason than the port: there is no such service.
        result = self.serve("--service", "none?", environment=kubernetes)
        self.fails(result, "--service: service is")
        self.assertNotIn("KNUL_PORT", result.stderr)
        path = pathlib.Path(self.folder, "port.toml")
        path.write_text('port = 0\nservice = "none?"\n')
        result = run("serve", "--config", str(path), *self.credentials, environment=kubernetes)
        self.fails(result, f"{path}:2: service is")

    def test_a_folder_and_an_empty_path_are_no_configuration(self):
        self.fails(self.serve("--config", self.folder), "--config", self.folder, "folder")
        self.fails(self.serve("--config", ""), "--config", "empty")

    def test_misspelt_variables_are_named(self):
        result = self.serve("--service", "none?", environment={"KNUL_MAX_STREAM": "1", "KNUL_CERT": "x"})
        self.assertIn("KNUL_MAX_STREAM is not a setting and has no effect; did you mean KNUL_MAX_STREAMS?",
                      result.stderr)
        self.assertIn("KNUL_CERT is not a setting and has no effect; did you mean KNUL_CERT_PATH?", result.stderr)

    def test_files_named_in_flags_are_wrong_usage(self):
        key = f"{self.folder}/key.pem"
        broken = pathlib.Path(self.folder, "broken.pem")
        broken.write_text("no PEM")
        for cert in ("/nothing.pem", self.folder, str(broken), key):
            self.fails(run("serve", "--port", "0", "--cert", cert, "--key", key), "cert_path")
        for wrong in ("/nothing.pem", self.folder, str(broken), self.ca):
            self.fails(run("serve", "--port", "0", "--cert", self.ca, "--key", wrong), "key_path")
        self.fails(self.serve("--service", "hq", "--root", "/nothing"), "service_root")
        for command in (("perf", "localhost:1", "--download", "1"), ("get", "localhost:1", "/x")):
            for ca in ("/nothing.pem", self.folder, str(broken), key):
                result = run(*command, "--ca", ca)
                self.fails(result, "--ca")
                self.assertNotIn("Success", result.stderr)
            self.fails(run(*command, "--ca", key), "private key")
        self.fails(run("get", "localhost:1", "/x", "--out", "/dev/null/x"), "--out", "/dev/null/x")
        self.fails(run("cert", "--out", "/dev/null/x"), "/dev/null/x")


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
