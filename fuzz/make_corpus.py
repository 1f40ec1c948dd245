#!/usr/bin/env python3
"""Writes the seeds of fuzz/corpus: small inputs that bring each target to where the interesting code is. Regressions,
which fuzzing found, are copied there by hand and are not touched."""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def chunk(content: bytes) -> bytes:
    """As Input::chunk reads it: two bytes of length, then the content."""
    return struct.pack(">H", len(content)) + content


def datagram_seeds():
    exchange, shake_hands, raw, raw_from_port = b"\x00", b"\x01", b"\x02", b"\x03"
    one_rtt, handshake, initial = b"\x04", b"\x05", b"\x06"
    other_port, header, wait, act, hold, tamper = b"\x07\x01", b"\x08", b"\x09\x08", b"\x0a", b"\x0b", b"\x0c"
    stream = b"\x0f\x00\x00\x05hello"  # STREAM 0, offset 0, length 5, FIN
    yield "handshake_alone", shake_hands
    yield "stream_with_fin", shake_hands + one_rtt + chunk(stream) + wait
    yield "stream_in_two_pieces", (shake_hands + one_rtt + chunk(b"\x0e\x00\x02\x02lo") +
                                   one_rtt + chunk(b"\x0e\x00\x00\x02he"))
    yield "reset_and_stop", shake_hands + one_rtt + chunk(b"\x0a\x04\x01x") + one_rtt + chunk(b"\x05\x04\x07\x04\x04\x08\x01")
    yield "acknowledges_all", shake_hands + one_rtt + chunk(stream) + one_rtt + chunk(b"\x02\x08\x00\x00\x08")
    yield "datagram_frame", shake_hands + one_rtt + chunk(b"\x31\x03abc") + act + b"\x01\x05"
    yield "crypto_after_handshake", shake_hands + one_rtt + chunk(b"\x06\x00\x05\x18\x00\x00\x01\x00")
    yield "new_and_retired_ids", (shake_hands + one_rtt + chunk(b"\x18\x01\x00\x08" + bytes(range(24))) +
                                  one_rtt + chunk(b"\x19\x00"))
    yield "migrates", (shake_hands + other_port + one_rtt + chunk(b"\x01") + wait +
                       one_rtt + chunk(b"\x1b12345678"))
    yield "key_phase_and_reserved_bits", shake_hands + header + b"\x04" + one_rtt + chunk(b"\x01") + header + b"\x18" + one_rtt + chunk(b"\x01")
    yield "flow_control_frames", shake_hands + one_rtt + chunk(stream + b"\x10\x80\x10\x00\x00\x11\x00\x50\x00\x12\x10\x13\x10\x14\x05\x15\x00\x05\x16\x03\x17\x03")
    yield "server_acts", (shake_hands + one_rtt + chunk(b"\x0a\x00\x01x") + act + b"\x03\x00" + act + b"\x00\x01" +
                          act + b"\x04\x00" + act + b"\x02\xff")
    yield "closes", shake_hands + one_rtt + chunk(b"\x1d\x00\x02ok") + one_rtt + chunk(b"\x01")
    yield "initial_crypto_gap", initial + chunk(b"\x06\x44\x00\x04\x01\x00\x00\x10")
    yield "initial_close", exchange + initial + chunk(b"\x1c\x00\x00\x00")
    yield "handshake_coalesced", (exchange + hold + initial + chunk(b"\x01") + handshake +
                                  chunk(b"\x06\x00\x04\x0b\x00\x00\x00"))
    yield "half_a_handshake", exchange + handshake + chunk(b"\x06\x00\x08\x14\x00\x00\x20abcd") + wait + wait
    yield "tampered", tamper + b"\x00\x05\x01" + exchange + tamper + b"\x00\x40\xff"
    yield "unknown_version", raw + chunk(b"\xc0\x0a\x0a\x0a\x0a\x08aaaaaaaa\x08bbbbbbbb" + bytes(1180))
    yield "longest_ids", raw + chunk(b"\xc0\x00\x00\x00\x00\xff" + bytes(255) + b"\xff" + bytes(255))
    yield "unknown_connection", shake_hands + raw_from_port + b"\x9c\x41" + chunk(b"\x40" + bytes(range(60)))
    yield "reflection", raw_from_port + b"\x00\x35" + chunk(b"\x40" + bytes(60))


def settings_seeds():
    paths = {"cert_path": "c", "key_path": "k"}
    yield "smallest", json.dumps(paths).encode()
    yield "numbers", json.dumps({**paths, "port": 4433, "workers": 2, "max_streams": 7, "gso": False}).encode()
    yield "texts", json.dumps({**paths, "host": "::1", "alpn": ["a", "b"], "retry": "always", "steering": "auto",
                               "congestion_control": "bbr"}).encode()
    yield "service", json.dumps({**paths, "service": "hq", "service_root": "/r\u00fc"}).encode()
    yield "unknown_key", b'{"cert_path":"c","no_such":1}'
    yield "twice", b'{"port":1,"port":2}'
    yield "wrong_types", b'{"port":-1.5e3,"workers":[null,{}]}'
    yield "escapes", b'{"host":"\\ud83d\\ude00\\u0000","cert_path":"\\"'


def config_seeds():
    def text(shape: int, content: bytes, tail: bytes = b"") -> bytes:
        return bytes([shape]) + chunk(content) + tail

    numbers = struct.pack(">HIQ", 4433, 100, 30_000)
    good = text(0, b"127.0.0.1") + text(0, b"cert.pem\0") + text(0, b"key.pem")
    yield "good", b"\x00" + numbers + good
    yield "misaligned", b"\x03" + numbers + good
    yield "aligned_elsewhere", b"\x08" + numbers + good
    yield "zero_numbers", b"\x00" + struct.pack(">HIQ", 0, 0, 0) + good
    yield "huge_length", b"\x00" + numbers + text(1, b"h", b"\xff" * 8) + good
    yield "longest_host", b"\x00" + numbers + text(3, b"h", struct.pack(">Q", 255)) + text(0, b"c") + text(0, b"k")
    yield "small_capacity", b"\x00" + numbers + text(4, b"host", struct.pack(">Q", 3)) + good
    yield "null_data", b"\x00" + numbers + text(8, b"host") + good
    yield "embedded_nul", b"\x00" + numbers + text(0, b"a\0b") + good


def token_seeds():
    retry, new_token, foreign = 0, 1, 2

    def seed(bits: int, age_s: int = 1, change: bytes = b"") -> bytes:
        return bytes([bits]) + age_s.to_bytes(3, "big") + change

    yield "retry", seed(retry)
    yield "retry_too_late", seed(retry, 11)
    # bits % 3 is the kind; 0x10 changes the address, 0x20 the connection ID.
    yield "retry_from_elsewhere", seed(0x10 + 2)
    yield "retry_of_another_id", seed(0x20 + 1)
    yield "retry_changed", seed(retry, 1, b"\x00\x00\x01")
    yield "new_token", seed(new_token)
    yield "new_token_of_another_id", seed(0x20 + 2)
    yield "new_token_too_late", seed(new_token, 90_000)
    yield "foreign", seed(foreign, 1, b"token of another server")
    yield "foreign_looks_like_retry", seed(foreign, 1, b"\xb7" + bytes(40))


def connection_id_seeds():
    identity = bytes(range(8))
    yield "one_worker", b"\x00\x00" + identity + b"\x40"
    yield "last_of_many", b"\x7f\x7f" + b"\xff" * 8 + b"\x40"
    yield "short_packet", b"\x03\x01" + identity + b"\x40" + b"\x40" + identity + bytes(10)
    yield "handshake_v1", b"\x03\x01" + identity + b"\x40" + b"\xe0\x00\x00\x00\x01\x08" + identity + bytes(10)
    yield "handshake_v2", b"\x03\x01" + identity + b"\x40" + b"\xf0\x6b\x33\x43\xcf\x08" + identity + bytes(10)
    yield "initial", b"\x03\x01" + identity + b"\x40" + b"\xc0\x00\x00\x00\x01\x08" + identity + bytes(10)


def scanner_seeds():
    yield "stop_sending", b"\x05\x04\x07"
    yield "behind_others", b"\x00\x01\x02\x05\x00\x01\x05\x00\x00\x0a\x00\x02hi\x05\x40\x04\x07"
    yield "ack_with_ecn", b"\x03\x05\x00\x00\x05\x01\x02\x03\x05\x04\x07"
    yield "stream_to_the_end", b"\x08\x00\x05\x04\x07"
    yield "huge_length", b"\x06\x00\xff\xff\xff\xff\xff\xff\xff\xff\x05\x04\x07"
    yield "truncated", b"\x05\x04\x80\x00"
    # As the writer of well-formed frames reads it: PING, STOP_SENDING, ACK with a range, STOP_SENDING; the second
    # time without the last byte.
    frames = b"\x01\x05\x00\x04\x01\x07\x00\x02\x00\x05\x00\x01\x01\x00\x01\x00\x02\x00\x03\x05\x03\x01\x02\x03\x04\x05\x06\x07\x08\x01\x00\x07"
    yield "well_formed", b"\x00" + frames
    yield "cut_short", b"\x01" + frames


def qlog_seeds():
    """Exponent and expected packet number, then a header or frames."""
    for seed, content in scanner_seeds():
        yield seed, b"\x03\x05\x02" + content
    yield "initial", b"\x03\x00\x00\xc1\x00\x00\x00\x01\x08ABCDEFGH\x02ab\x00\x44\xd0\x00\x01"
    yield "short_header", b"\x03\xff\x10\x43IDIDIDID\x01\x02\x03\x04"
    yield "close_with_reason", b"\x03\x00\x00\x1c\x0a\x06\x05a\"\n\xff\\"
    yield "many_pings", b"\x03\x00\x00" + b"\x01" * 200
    yield "ack_ranges", b"\x14\x00\x00\x02\x7f\xff\x09\x41\x40\x01" + b"\x00\x01" * 320
    yield "ack_below_zero", b"\x03\x00\x00\x02\x03\x00\x01\x00\x09\x00"


def service_seeds():
    def ask(service: int, content: bytes, fin: bool = True) -> bytes:
        return bytes([service, int(fin)]) + chunk(content)

    yield "hq_file", ask(0, b"GET /f\r\n") + b"\x03\xff\xff\x06"
    yield "hq_outside", ask(0, b"GET /../secret\n") + b"\x06"
    yield "hq_link_outside", ask(0, b"GET /l")
    yield "hq_pieces", b"\x00\x02\x05GET /\x0a\x02a/b\x06"
    yield "hq_too_long", ask(0, b"GET /" + b"a" * 4_200, fin=False)
    yield "perf_small", ask(1, struct.pack(">Q", 5)) + b"\x06"
    yield "perf_larger_than_room", ask(1, struct.pack(">Q", 200_000)) + b"\x03\xff\xff\x03\xff\xff\x05\x00\x06"
    yield "perf_short", ask(1, b"\x00\x00")
    yield "perf_reset", ask(1, struct.pack(">Q", 1 << 40), fin=False) + b"\x04\x07"
    yield "echo_both_kinds", ask(2, b"bidirectional") + b"\x11" + chunk(b"unidirectional") + b"\x07" + chunk(b"datagram")


def abi_seeds():
    start, start_text, by_struct, stop, stats = b"\x00\x00", b"\x01", b"\x02", b"\x03", b"\x04"
    yield "start_ask_stop", start + stats + b"\x00\x00" + b"\x05\x00\x01" + b"\x06\x00\x00" + b"\x07\x00\x01" + stop + b"\x00\x00\x00"
    yield "two_servers", start + b"\x00\x03" + b"\x08" + b"\x09\x01" + stop + b"\x01\x00\x01" + b"\x09\x00"
    yield "stale_handle", start + stop + b"\x00\x00\x00" + stats + b"\x00\x00" + stop + b"\x00\x00\x01"
    yield "made_up_handle", stats + b"\xff" + bytes(8) + b"\x00" + stop + b"\xff" + b"\xff" * 8 + b"\x00\x00"
    yield "bad_settings", start_text + chunk(b'{"port":0,"cert_path":"/no/such","key_path":"/"}')
    yield "struct_without_host", by_struct + b"\x00\x00\x00\x64" + struct.pack(">Q", 30_000) + b"\x50"
    yield "bad_out", start + b"\x0b\x02\x00\x00" + b"\x0a\x00\x00\x0f\xa1"


def channel_region_seeds():
    overwrite, header, everything, consume, release = b"\x00", b"\x01", b"\x02", b"\x03\x3f", b"\x04"
    arm, of_stream, of_connection, load, end = b"\x05", b"\x06", b"\x07", b"\x08", b"\x0a"
    close, reopen, own, stale, any_handle = b"\x09\x00", b"\x09\x01", b"\x00", b"\xe0", b"\xff"
    look = arm + own * 2 + b"\x02" + own * 2
    traffic = b"".join(load + bytes([what]) + b"\x08\x00" for what in range(8)) + look
    yield "honest", traffic + consume + look + traffic + consume
    yield "full_ring", traffic * 5 + consume + look
    yield "corrupt_head", traffic + consume + header + b"\x00\x90" + traffic + header + b"\x05\x00" + traffic
    yield "head_that_cannot_be", traffic + end + b"\x00\x00\x01" + traffic + consume + look
    yield "corrupt_tail", traffic + header + b"\x02\xff" + consume + header + b"\x03\x00" + consume + look
    yield "overwritten_records", traffic + overwrite + struct.pack(">I", 256) + chunk(b"\xff" * 1_024) + consume + traffic
    yield "overwritten_arena", traffic + overwrite + struct.pack(">I", 0x5000) + chunk(bytes(range(256)) * 4) + consume
    yield "overwritten_all", traffic + everything + b"\xff\x00" + consume + traffic + everything + b"\x00\x01" + traffic
    yield "double_release", traffic + consume + release + b"\x07" + bytes(range(8)) + own
    yield "invented_offsets", (traffic + release + b"\x1f" + (b"\xff\x00\x01\x02\x40") * 8 + own + release + b"\x01" +
                               (b"\xff" * 5) * 8 + own + release + b"\x17" + (b"\xff" * 5) * 4 + (b"\xff\x00\x21\x00\x00") * 4 + own)
    yield "stale_handles", (traffic + consume + reopen + traffic + of_stream + b"\x01" + bytes(5) + own + b"\x01" +
                            of_connection + b"\x01" + bytes(5) + own + arm + stale * 2 + b"\x00" + stale * 2)
    yield "made_up_handles", of_stream + b"\xff" * 5 + bytes(5) + any_handle + b"\x80\x00\x00\x01\x01" + release + bytes(9) + any_handle * 5
    yield "calls", traffic + consume + b"".join(of_stream + b"\x01\x00\x00\x01\x00" + bytes([n, 0, 1]) for n in range(5)) + b"".join(
        of_connection + b"\x01\x01\x01\x00\x41" + bytes([n, 0]) for n in (0, 1, 3, 2)) + traffic
    yield "closed_and_used", traffic + close + consume + look + traffic + release + bytes(10) + reopen + traffic + consume


def admin_answer_seeds():
    def seed(first: bytes, now: bytes, rows: bytes, columns: int = 80, order: int = 20) -> bytes:
        return bytes([columns - 1, 23, order]) + chunk(first) + chunk(now) + rows

    before = {"uptime_ms": 1000, "total_requests": 5, "total_bytes_in": 7, "packets_dropped_empty": 1}
    after = {"uptime_ms": 2000, "total_requests": 9, "total_bytes_in": 99, "packets_dropped_empty": 3, "draining": 1,
             "send_limited_us_pacing": 50, "request_latency_p99_ms": 1.5, "certificate_expired": 1, "version": "1.2.0"}
    row = {"id": 1, "peer": "[2001:db8::1]:443", "alpn": "\x1b[2J", "server_name": "\u009b\n", "state": "active",
           "age_ms": 90000, "idle_ms": 5, "smoothed_rtt_us": 700, "request_p50_ms": 0.5, "request_p99_ms": 70,
           "bytes_received": 1, "bytes_sent": 2000000, "packets_lost": 3, "limited_shares": {"pacing": 0.7, "worker": 0.3},
           "verdict": "the network path: pacing spread the packets, 70 % of the time"}
    rows = {"connections": [row, {**row, "id": 2, "state": "hibernating"}], "matches": 2}
    yield "honest", seed(json.dumps(before).encode(), json.dumps(after).encode(), json.dumps(rows).encode())
    yield "wide", seed(json.dumps(before).encode(), json.dumps(after).encode(), json.dumps(rows).encode(), 200, 4)
    yield "restart", seed(json.dumps(after).encode(), json.dumps(before).encode(), json.dumps(rows).encode())
    yield "huge_numbers", seed(b"{}", b'{"uptime_ms":1e300,"total_bytes_in":-1e300,"a_bytes":1e308}', b'{"matches":-1}')
    yield "wrong_types", seed(b"[]", b'{"uptime_ms":"x","version":5,"draining":{}}', b'{"connections":[1,[],{"id":"x"}]}')
    yield "deep", seed(b"{}", b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", b'{"connections":[{"peer":[[[[[[[[[[1]]]]]]]]]]}]}')
    yield "no_json", seed(b"", b"\x1b[2J", b"status 500")


SEEDS = {"datagram": datagram_seeds, "settings_json": settings_seeds, "quic_config": config_seeds,
         "token": token_seeds, "connection_id": connection_id_seeds, "frame_scanner": scanner_seeds,
         "qlog": qlog_seeds,
         "service": service_seeds, "abi_sequence": abi_seeds,
         "channel_region": channel_region_seeds, "admin_answer": admin_answer_seeds}

if __name__ == "__main__":
    for name, seeds in SEEDS.items():
        folder = CORPUS / f"{name}_fuzz"
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in seeds():
            (folder / seed).write_bytes(content)
