"""A peer of hpt's wire in another language, written from WIRE.md alone.

    peer.py client HOST PORT SESSIONS   dials, and expects its bytes back
    peer.py server SESSIONS             prints its port, and gives bytes back

Keys come as three lines of hex on standard input: our private key, the peer's public key, the
pre-shared key. Prints one line, "sessions N", when all went well.
"""

import hashlib
import hmac
import random
import socket
import sys

from noise.connection import Keypair, NoiseConnection

SUITE = b"Noise_IKpsk2_25519_AESGCM_BLAKE2s"
PROLOGUE = b"hpt/1" + bytes([1, 1, 1, 1])
HELLO, REPLY, TAG, RECORD = 113, 48, 16, 16384


def mac1(responder, covered):
    key = hashlib.blake2s(b"hpt/1 mac1" + responder).digest()
    return hashlib.blake2s(covered, key=key, digest_size=16).digest()


def exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError(f"cut after {len(data)} of {size} bytes")
        data += more
    return data


def noise(private, psk):
    state = NoiseConnection.from_name(SUITE)
    state.set_prologue(PROLOGUE)
    state.set_psks(psk=psk)
    state.set_keypair_from_private_bytes(Keypair.STATIC, private)
    return state


class Records:
    """The stream of records after a handshake."""

    def __init__(self, sock, state):
        self.sock, self.noise = sock, state
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, plaintext):
        record = self.noise.encrypt(plaintext)
        self.sock.sendall(len(record).to_bytes(2, "big") + record)
        if not plaintext:
            self.noise.rekey_outbound_cipher()

    def receive(self):
        length = int.from_bytes(exactly(self.sock, 2), "big")
        if not TAG <= length <= RECORD:
            raise ValueError(f"a record of {length} bytes")
        plaintext = self.noise.decrypt(exactly(self.sock, length))
        if not plaintext:
            self.noise.rekey_inbound_cipher()
        return bytes(plaintext)

    def receive_all(self, size):
        data = b""
        while len(data) < size:
            data += self.receive()
        return data


def initiate(sock, private, target, psk):
    state = noise(private, psk)
    state.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, target)
    state.set_as_initiator()
    state.start_handshake()
    covered = bytes([1]) + bytes(state.write_message())
    sock.sendall(covered + mac1(target, covered))
    state.read_message(exactly(sock, REPLY))
    records = Records(sock, state)
    records.send(b"")
    return records


def respond(sock, private, public, client, psk):
    hello = exactly(sock, HELLO)
    if hello[0] != 1 or not hmac.compare_digest(hello[97:], mac1(public, hello[:97])):
        raise ValueError("not a hello for this key")
    state = noise(private, psk)
    state.set_as_responder()
    state.start_handshake()
    state.read_message(hello[1:97])
    if state.noise_protocol.handshake_state.rs.public_bytes != client:
        raise ValueError("not a pinned key")
    sock.sendall(bytes(state.write_message()))
    records = Records(sock, state)
    if records.receive() != b"":
        raise ValueError("no confirmation")
    return records


def client(keys, host, port, sessions):
    dice = random.Random(6632)
    for session in range(sessions):
        with socket.create_connection((host, port), timeout=10) as sock:
            records = initiate(sock, *keys)
            for size in (1, 16368, dice.randrange(2, 3000)):
                said = dice.randbytes(size)
                records.send(said)
                if dice.random() < 0.3:
                    records.send(b"")  # rekeys
                if records.receive_all(size) != said:
                    raise ValueError(f"session {session}: another echo")


def server(keys, sessions):
    private, client_key, psk = keys
    own = NoiseConnection.from_name(SUITE)
    own.set_keypair_from_private_bytes(Keypair.STATIC, private)
    public = own.noise_protocol.keypairs["s"].public_bytes
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    for _ in range(sessions):
        sock, _ = listener.accept()
        with sock:
            records = respond(sock, private, public, client_key, psk)
            while True:
                try:
                    said = records.receive()
                except EOFError:
                    break
                if said:
                    records.send(said[: len(said) // 2 + 1])
                    records.send(b"")  # rekeys
                    if said[len(said) // 2 + 1 :]:
                        records.send(said[len(said) // 2 + 1 :])


def main():
    keys = [bytes.fromhex(sys.stdin.readline()) for _ in range(3)]
    role, *rest = sys.argv[1:]
    sessions = int(rest[-1])
    if role == "client":
        client(keys, rest[0], int(rest[1]), sessions)
    else:
        server(keys, sessions)
    print("sessions", sessions)


main()
