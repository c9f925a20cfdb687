"""A TURN client of few words, for tests that need thousands: Allocate, Refresh, CreatePermission, Send, over UDP, TCP and TLS."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, CHANNEL_NUMBER, LIFETIME, XOR_PEER_ADDRESS = 0x06, 0x08, 0x09, 0x0C, 0x0D, 0x12
REALM, NONCE, XOR_RELAYED_ADDRESS, REQUESTED_TRANSPORT = 0x14, 0x15, 0x16, 0x19
UDP = struct.pack(">I", 17 << 24)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(method: int, attributes: bytes = b"", transaction: bytes | None = None) -> bytes:
    return struct.pack(">HHI", method, len(attributes), COOKIE) + (transaction or os.urandom(12)) + attributes


def address(where: tuple[str, int]) -> bytes:
    (ip,) = struct.unpack(">I", socket.inet_aton(where[0]))
    return struct.pack(">HHI", 1, where[1] ^ (COOKIE >> 16), ip ^ COOKIE)


def attributes(answer: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at + 4 <= len(answer):
        kind, length = struct.unpack_from(">HH", answer, at)
        found.setdefault(kind, answer[at + 4 : at + 4 + length])
        at += 4 + (length + 3) // 4 * 4
    return found


class Refused(Exception):
    """An error answer."""

    def __init__(self, method: int, code: int) -> None:
        super().__init__(f"method {method} is answered {code}")
        self.code = code


class Client:
    """One way to the server. `source` is a loopback address of its own."""

    def __init__(self, server: tuple[str, int], transport: str, source: str, user: str, secret: str) -> None:
        self.stream = transport != "udp"
        kind = socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(5)
        self.socket.bind((source, 0))
        self.socket.connect(server)
        if transport == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["stun.turn"])
            self.socket = context.wrap_socket(self.socket)
        self.username = f"{int(time.time()) + 3600}:{user}"
        self.password = base64.b64encode(hmac.digest(secret.encode(), self.username.encode(), "sha1")).decode()
        self.key = self.login = b""

    def close(self) -> None:
        self.socket.close()

    def __read(self, count: int) -> bytes:
        bytes_read = b""
        while len(bytes_read) < count:
            more = self.socket.recv(count - len(bytes_read))
            if not more:
                raise ConnectionError("the server closed the stream")
            bytes_read += more
        return bytes_read

    def receive(self) -> bytes:
        if not self.stream:
            return self.socket.recv(2048)
        head = self.__read(4)
        kind, length = struct.unpack(">HH", head)
        rest = length + 16 if kind < 0x4000 else (length + 3) // 4 * 4
        return head + self.__read(rest)

    def __request(self, method: int, body: bytes) -> bytes:
        transaction = os.urandom(12)
        if not self.key:
            self.socket.sendall(message(method, body, transaction))
        else:
            body += self.login
            signed = struct.pack(">HHI", method, len(body) + 24, COOKIE) + transaction + body
            proof = hmac.digest(self.key, signed, "sha1")
            self.socket.sendall(signed + attribute(MESSAGE_INTEGRITY, proof))
        while True:
            answer = self.receive()
            if answer[8:20] == transaction:
                return answer

    def ask(self, method: int, body: bytes = b"") -> dict[int, bytes]:
        answer = self.__request(method, body)
        found = attributes(answer)
        if not answer[0] & 1:
            raise ValueError(f"no answer: {answer.hex()}")
        if answer[1] & 0x10:
            code = found[ERROR_CODE][2] * 100 + found[ERROR_CODE][3]
            if code == 401 and not self.key:
                text = f"{self.username}:{found[REALM].decode()}:{self.password}"
                self.key = hashlib.md5(text.encode(), usedforsecurity=False).digest()
                self.login = attribute(USERNAME, self.username.encode()) + attribute(REALM, found[REALM]) + attribute(NONCE, found[NONCE])
                return self.ask(method, body)
            raise Refused(method, code)
        return found

    def allocate(self) -> tuple[str, int]:
        found = self.ask(ALLOCATE, attribute(REQUESTED_TRANSPORT, UDP))
        _, port, ip = struct.unpack(">HHI", found[XOR_RELAYED_ADDRESS])
        return socket.inet_ntoa(struct.pack(">I", ip ^ COOKIE)), port ^ (COOKIE >> 16)

    def refresh(self, seconds: int) -> None:
        self.ask(REFRESH, attribute(LIFETIME, struct.pack(">I", seconds)))

    def permit(self, peer: tuple[str, int]) -> None:
        self.ask(CREATE_PERMISSION, attribute(XOR_PEER_ADDRESS, address(peer)))

    def bind_channel(self, channel: int, peer: tuple[str, int]) -> None:
        self.ask(CHANNEL_BIND, attribute(CHANNEL_NUMBER, struct.pack(">HH", channel, 0)) + attribute(XOR_PEER_ADDRESS, address(peer)))

    def send_on(self, channel: int, payload: bytes) -> None:
        padding = bytes(-len(payload) % 4) if self.stream else b""
        self.socket.sendall(struct.pack(">HH", channel, len(payload)) + payload + padding)
