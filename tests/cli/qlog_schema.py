"""The rules of qlog 0.3 as JSON text sequences (draft-ietf-quic-qlog-main-schema, draft-ietf-quic-qlog-quic-events,
RFC 7464) for the events that the server writes. read_file() raises ValueError for a file that breaks one.
qlog_schema.py SIMULATOR checks the files of the simulator's tests."""
import json
import os
import re
import subprocess
import sys
import tempfile

NUMBER = (int, float)


def is_number(value):
    return isinstance(value, NUMBER) and not isinstance(value, bool)


def is_uint(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def is_positive_time(value):
    return is_number(value) and value >= 0


def is_text(value):
    return isinstance(value, str)


def is_bool(value):
    return isinstance(value, bool)


def is_hex(value):
    return is_text(value) and re.fullmatch(r"([0-9a-f]{2})*", value) is not None


def one_of(*values):
    return lambda value: value in values


def record(required, optional=()):
    """An object with these members and no others. Each is (name, rule)."""
    needed, allowed = dict(required), {**dict(required), **dict(optional)}

    def check(value):
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no object")
        missing, unknown = needed.keys() - value.keys(), value.keys() - allowed.keys()
        if missing or unknown:
            raise ValueError(f"missing {sorted(missing)}, unknown {sorted(unknown)}: {value!r}")
        for name, member in value.items():
            try:
                is_right = allowed[name](member)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if not is_right:
                raise ValueError(f"{name} is {member!r}")
        return True

    return check


def list_of(rule, least=0):
    return lambda value: isinstance(value, list) and len(value) >= least and all(rule(item) for item in value)


def is_ack_range(value):
    return isinstance(value, list) and 1 <= len(value) <= 2 and all(map(is_uint, value)) and value[0] <= value[-1]


OWNER = one_of("local", "remote")
STREAM_TYPE = one_of("bidirectional", "unidirectional")
TOKEN = record([("length", is_uint)])  # this server shows no token
RAW = record([("length", is_uint)], [("payload_length", is_uint)])
PACKET_TYPE = one_of("initial", "handshake", "0RTT", "1RTT", "retry", "version_negotiation", "stateless_reset", "unknown")
LONG_HEADER = [("length", is_uint), ("version", is_hex), ("scil", is_uint), ("dcil", is_uint), ("scid", is_hex),
               ("dcid", is_hex), ("token", TOKEN)]
HEADER = record([("packet_type", PACKET_TYPE), ("packet_number", is_uint)], [("flags", is_uint), *LONG_HEADER])
TRANSPORT_ERROR = one_of(
    "no_error", "internal_error", "connection_refused", "flow_control_error", "stream_limit_error", "stream_state_error",
    "final_size_error", "frame_encoding_error", "transport_parameter_error", "connection_id_limit_error",
    "protocol_violation", "invalid_token", "application_error", "crypto_buffer_exceeded")


def is_error_code(value):
    return is_uint(value) or TRANSPORT_ERROR(value)


def frame(*required, optional=()):
    return record([("frame_type", is_text), *required], optional)


LIMIT, MAXIMUM, STREAM = ("limit", is_uint), ("maximum", is_uint), ("stream_id", is_uint)
FRAMES = {
    "padding": frame(("payload_length", is_uint), optional=[("length", is_uint)]),
    "ping": frame(),
    "ack": frame(optional=[("ack_delay", is_positive_time), ("acked_ranges", list_of(is_ack_range, 1)), ("ect0", is_uint),
                           ("ect1", is_uint), ("ce", is_uint)]),
    "reset_stream": frame(STREAM, ("error_code", is_uint), ("final_size", is_uint)),
    "stop_sending": frame(STREAM, ("error_code", is_uint)),
    "crypto": frame(("offset", is_uint), ("length", is_uint)),
    "new_token": frame(("token", TOKEN)),
    "stream": frame(STREAM, ("offset", is_uint), ("length", is_uint), optional=[("fin", one_of(True))]),
    "max_data": frame(MAXIMUM),
    "max_stream_data": frame(STREAM, MAXIMUM),
    "max_streams": frame(("stream_type", STREAM_TYPE), MAXIMUM),
    "data_blocked": frame(LIMIT),
    "stream_data_blocked": frame(STREAM, LIMIT),
    "streams_blocked": frame(("stream_type", STREAM_TYPE), LIMIT),
    "new_connection_id": frame(("sequence_number", is_uint), ("retire_prior_to", is_uint), ("connection_id", is_hex),
                               optional=[("connection_id_length", is_uint)]),
    "retire_connection_id": frame(("sequence_number", is_uint)),
    "path_challenge": frame(),
    "path_response": frame(),
    "connection_close": frame(optional=[
        ("error_space", one_of("transport", "application")), ("error_code", is_error_code), ("raw_error_code", is_uint),
        ("reason", is_text), ("trigger_frame_type", is_uint)]),
    "handshake_done": frame(),
    "datagram": frame(optional=[("length", is_uint)]),
    "unknown": frame(("raw_frame_type", is_uint)),
}


def is_frame(value):
    rule = FRAMES.get(value.get("frame_type")) if isinstance(value, dict) else None
    if rule is None:
        raise ValueError(f"{value!r} is no frame")
    return rule(value)


CONNECTION_STATE = one_of("attempted", "peer_validated", "handshake_started", "early_write", "handshake_complete",
                          "handshake_confirmed", "closing", "draining", "closed")
PATH = [("ip_version", one_of("v4", "v6")), ("src_ip", is_text), ("dst_ip", is_text), ("src_port", is_uint),
        ("dst_port", is_uint)]
# The draft allows further members in frames' lists, parameters and metrics; these are the server's.
PACKET = [("frames", list_of(is_frame)), ("is_coalesced", is_bool), ("raw", RAW), ("datagram_id", is_uint),
          ("knul_frames_missing", one_of(True))]
PARAMETERS = [(name, is_uint) for name in (
    "max_idle_timeout", "max_udp_payload_size", "ack_delay_exponent", "max_ack_delay", "active_connection_id_limit",
    "initial_max_data", "initial_max_stream_data_bidi_local", "initial_max_stream_data_bidi_remote",
    "initial_max_stream_data_uni", "initial_max_streams_bidi", "initial_max_streams_uni", "max_datagram_frame_size")]
EVENTS = {
    "connectivity:connection_started": record([], [*PATH, ("protocol", is_text), ("src_cid", is_hex), ("dst_cid", is_hex)]),
    "connectivity:connection_state_updated": record([("new", CONNECTION_STATE)], [("old", CONNECTION_STATE)]),
    "connectivity:connection_closed": record([], [
        ("owner", OWNER), ("connection_code", is_error_code), ("application_code", is_uint), ("reason", is_text),
        ("trigger", one_of("clean", "handshake_timeout", "idle_timeout", "error", "stateless_reset", "version_mismatch",
                           "application"))]),
    # The draft names this event and leaves its members open.
    "connectivity:path_updated": record(PATH),
    "security:key_updated": record(
        [("key_type", one_of("server_1rtt_secret", "client_1rtt_secret")), ("new", one_of(""))],
        [("generation", is_uint), ("trigger", one_of("tls", "remote_update", "local_update"))]),
    "transport:alpn_information": record([], [("chosen_alpn", is_text)]),
    "transport:parameters_set": record([], [
        ("owner", OWNER), ("resumption_allowed", is_bool), ("tls_cipher", is_text),
        ("original_destination_connection_id", is_hex), ("initial_source_connection_id", is_hex),
        ("retry_source_connection_id", is_hex), ("disable_active_migration", is_bool), ("grease_quic_bit", is_bool),
        *PARAMETERS]),
    "transport:packet_sent": record([("header", HEADER)], PACKET),
    "transport:packet_received": record([("header", HEADER)], [*PACKET, ("trigger", one_of("keys_available"))]),
    "transport:packet_dropped": record([], [
        ("header", record([("packet_type", PACKET_TYPE)])), ("raw", RAW), ("datagram_id", is_uint),
        ("trigger", one_of("key_unavailable", "payload_decrypt_error"))]),
    "recovery:metrics_updated": record([], [
        *((name, is_positive_time) for name in ("min_rtt", "smoothed_rtt", "latest_rtt", "rtt_variance")),
        *((name, is_uint) for name in ("congestion_window", "bytes_in_flight", "ssthresh"))]),
    "loglevel:warning": record([("message", is_text)]),
}
HEADER_RECORD = record([
    ("qlog_version", one_of("0.3")), ("qlog_format", one_of("JSON-SEQ")), ("title", is_text),
    ("trace", record([
        ("vantage_point", record([("type", one_of("server"))])),
        ("common_fields", record([
            ("ODCID", is_hex), ("group_id", is_hex), ("time_format", one_of("relative")), ("reference_time", is_number),
            ("protocol_type", one_of(["QUIC"]))]))]))])
EVENT = record([("time", is_positive_time), ("name", one_of(*EVENTS)), ("data", lambda value: isinstance(value, dict))])


def check_header(packet):
    header = packet["header"]
    is_long = header["packet_type"] != "1RTT"
    missing = {"length", "version", "scid", "dcid"} - header.keys()
    if is_long == bool(missing):
        raise ValueError(f"members of the wrong kind of header: {header!r}")
    if is_long and (header["scil"] * 2, header["dcil"] * 2) != (len(header["scid"]), len(header["dcid"])):
        raise ValueError(f"lengths of connection IDs: {header!r}")


def check_order(events):
    """Times rise, packet numbers sent rise, and the first event begins the connection.

    A file that has no room for that event says so, in its only one.
    """
    last_time, last_number = 0, {}
    for event in events:
        if event["time"] < last_time:
            raise ValueError(f"the time falls from {last_time} to {event['time']}")
        last_time = event["time"]
        if event["name"] == "transport:packet_sent":
            header = event["data"]["header"]
            if header["packet_number"] <= last_number.get(header["packet_type"], -1):
                raise ValueError(f"packet number {header['packet_number']} after {last_number}")
            last_number[header["packet_type"]] = header["packet_number"]
    names = [event["name"] for event in events]
    if names not in ([], ["loglevel:warning"]) and names[0] != "connectivity:connection_started":
        raise ValueError(f"the first event is {names[0]}")


def parse(data):
    """The records of a JSON text sequence. Each begins with a record separator and ends with a line feed."""
    if not data.startswith(b"\x1e") or not data.endswith(b"\n"):
        raise ValueError("not a sequence of whole records")
    records = data.decode("utf-8")[1:].split("\x1e")
    for text in records:
        if text.count("\n") != 1 or not text.endswith("\n"):
            raise ValueError(f"a record is not one line: {text[:200]!r}")
    return [json.loads(text) for text in records]


def check(data):
    """The header and the events of a file."""
    header, *events = parse(data)
    HEADER_RECORD(header)
    for event in events:
        EVENT(event)
        try:
            EVENTS[event["name"]](event["data"])
            if event["name"] in ("transport:packet_sent", "transport:packet_received"):
                check_header(event["data"])
        except ValueError as error:
            raise ValueError(f"{event['name']} at {event['time']}: {error}") from None
    check_order(events)
    return header, events


def read_file(path):
    with open(path, "rb") as file:
        return check(file.read())


def check_simulator(program):
    """The files that knul_sim_test keeps."""
    with tempfile.TemporaryDirectory(prefix="knul_qlog_") as folder:
        subprocess.run([program, "--gtest_filter=Qlog.*"], env={**os.environ, "KNUL_QLOG_FOLDER": folder}, check=True)
        names = sorted(os.listdir(folder))
        for name in names:
            _, events = read_file(f"{folder}/{name}")
            print(f"{name}: {len(events)} events")
        return len(names) >= 3


if __name__ == "__main__":
    sys.exit(0 if check_simulator(sys.argv[1]) else "the simulator kept too few files")
