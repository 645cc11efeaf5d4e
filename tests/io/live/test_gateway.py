"""A gateway receives from any number of peers, whatever some of them do."""

import asyncio
import errno
import os
import random
import resource
import shutil
import socket
import ssl
import struct
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from fixfeed.io.live import writing
from fixfeed.io.live.gateway import Gateway
from fixfeed.io.live.listener import CannotListen, Listener
from fixfeed.io.live.recovery import recovered
from fixfeed.io.live.spool import INDEX, Kind, addresses_in, connections_in, records
from fixfeed.pipelines.listeners import listeners_of
from tests.io.live.spools import Sink, drained, failures_of, message, numbers_of

LOCAL = "tcp://127.0.0.1:0"


@asynccontextmanager
async def gateway(spool, *texts, said=None):
    """Run a gateway; yields the ports that it listens to."""
    one = Gateway(
        listeners_of(texts), spool, say=(said if said is not None else []).append, begin=b"8=FIX"
    )
    ports = [int(text.rpartition(":")[2]) for text in one.start()]
    running = asyncio.create_task(one.run())
    try:
        yield ports
    finally:
        one.stop()
        await running


async def send(port, *chunks, host="127.0.0.1", context=None):
    """Send chunks, close, and wait until the other side has closed as well."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        if context is None:
            writer.write_eof()
        else:
            writer.close()
        await reader.read()
    finally:
        writer.close()


def stored(spool):
    sink = Sink()
    drained(spool, sink)
    return sink.batches


def endings(spool):
    return [
        Kind(list(records(connection / INDEX))[-1].kind)
        for address in addresses_in(spool)
        for connection in connections_in(address)
    ]


def test_messages_of_many_peers_are_stored_while_others_send_what_is_no_fix(tmp_path):
    async def run():
        async with gateway(tmp_path, f"{LOCAL}?max-connections=60") as (port,):
            rng = random.Random(1)

            async def peer(name):
                data = b"".join(message(1000 * name + number) for number in range(50))
                size = rng.choice([1, 7, 100, 5000])
                await send(port, *(data[at : at + size] for at in range(0, len(data), size)))

            peers = [peer(name) for name in range(20)]
            peers += [send(port, rng.randbytes(20_000)) for _ in range(5)]
            peers.append(send(port, b"x" * 300_000))
            peers.append(send(port, b"8=FIX.4.4\x019=9223372036854775808\x0135=0\x01"))
            peers.append(send(port, message(20_001) + message(20_002)[:-3]))
            peers += [send(port) for _ in range(20)]
            await asyncio.gather(*peers)

    asyncio.run(run())
    batches = stored(tmp_path)
    expected = [1000 * name + number for name in range(20) for number in range(50)]
    assert sorted(numbers_of(batches)) == sorted([*expected, 20_001])
    raws = [raw for *_, raw in failures_of(batches)]
    assert message(20_002)[:-3] in raws
    assert b"8=FIX.4.4\x019=9223372036854775808\x0135=0\x01" in raws
    assert sum(one.end - one.start for one in batches) == sum(
        path.stat().st_size for path in tmp_path.glob("*/*/*.log")
    )
    assert endings(tmp_path) == [Kind.CLOSED] * 28


def test_a_peer_that_resets_its_connection_has_stored_what_it_sent(tmp_path):
    async def run():
        async with gateway(tmp_path, LOCAL) as (port,):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(message(1) + message(2)[:10])
            await asyncio.sleep(0.2)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
            await asyncio.sleep(0.1)

    asyncio.run(run())
    batches = stored(tmp_path)
    assert numbers_of(batches) == [1]
    assert [raw for *_, raw in failures_of(batches)] == [message(2)[:10]]
    assert endings(tmp_path) == [Kind.RESET]


def test_a_gateway_that_is_stopped_has_stored_what_was_sent(tmp_path):
    async def run():
        async with gateway(tmp_path, LOCAL) as (port,):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(b"".join(map(message, range(1000))))
        assert one.recv(1) == b""
        one.close()

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == list(range(1000))
    assert endings(tmp_path) == [Kind.STOPPED]


def test_a_connection_that_is_silent_too_long_is_ended(tmp_path):
    async def run():
        async with gateway(tmp_path, f"{LOCAL}?idle=200ms") as (port,):
            begin = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in range(8):
                writer.write(message(number))
                await asyncio.sleep(0.05)
            assert await reader.read() == b""
            assert time.monotonic() - begin > 0.5
            writer.close()

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == list(range(8))
    assert endings(tmp_path) == [Kind.IDLE]


def test_peers_that_are_too_many_or_not_allowed_are_refused_and_told(tmp_path):
    said = []

    async def refused(port, host="127.0.0.1"):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True
        finally:
            writer.close()

    async def run():
        async with gateway(
            tmp_path, f"{LOCAL}?max-connections=2", "tcp://[::1]:0?allow=10.0.0.0/8", said=said
        ) as (port, other):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            assert await refused(port)
            assert await refused(other, "::1")
            for _, writer in held:
                writer.close()
            await asyncio.sleep(0.05)
            await send(port, message(1))

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == [1]
    assert said == [
        "refused 127.0.0.1: tcp://127.0.0.1:0 has 2 connections already; more are allowed with "
        "max-connections",
        "refused ::1: tcp://[::1]:0 does not allow its address",
    ]


@pytest.mark.parametrize(
    ("allow", "host", "expected"),
    [
        ((), "10.0.0.7", True),
        (("10.1.0.0/16",), "10.1.2.3", True),
        (("10.1.0.0/16",), "10.2.2.3", False),
        (("10.1.0.0/16", "::1"), "::1", True),
        (("10.1.0.0/16",), "::ffff:10.1.2.3", True),
    ],
)
def test_networks_that_are_allowed_hold_for_either_spelling(allow, host, expected):
    (listener,) = listeners_of([f"{LOCAL}?allow={','.join(allow)}" if allow else LOCAL])
    assert listener.allows(host) is expected


def test_tls_takes_peers_whose_certificates_are_signed_and_no_others(tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    pair = authority.issue_cert("localhost")
    pair.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    uri = f"tls://127.0.0.1:0?cert={tmp_path}/server.pem&client-ca={tmp_path}/ca.pem"
    said = []

    def client(signer):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        if signer:
            signer.issue_cert("peer@example.org").configure_cert(context)
        return context

    async def run():
        async with gateway(tmp_path, uri, said=said) as (port,):
            await send(port, message(1), message(2), context=client(authority))
            for signer in (None, other):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await send(port, message(3), context=client(signer))
            with suppress(ConnectionError):
                await send(port, message(4))

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == [1, 2]
    assert said[0].startswith("refused 127.0.0.1: no TLS with it at tls://127.0.0.1:0: ")


def test_what_a_peer_sends_by_tls_is_whole_though_it_never_reads(tmp_path):
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    pair.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    data = b"".join(map(message, range(5000)))

    def peer(port):
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(data)

    async def run():
        async with gateway(tmp_path, f"tls://127.0.0.1:0?cert={tmp_path}/server.pem") as (port,):
            await asyncio.to_thread(peer, port)
            while received(tmp_path) < len(data):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert received(tmp_path) == len(data)


def received(spool):
    return sum(path.stat().st_size for path in spool.rglob("*.log"))


def test_one_gateway_writes_the_spool_of_an_address(tmp_path):
    address = tmp_path / "tcp-127.0.0.1-0"

    async def run():
        async with gateway(tmp_path, LOCAL):
            begin = time.monotonic()
            with pytest.raises(CannotListen, match=f"another gateway writes the spool {address}"):
                Gateway(listeners_of([LOCAL]), tmp_path, say=print).start()
            assert time.monotonic() - begin > 1  # it waits for one that is about to end

    asyncio.run(run())


def test_a_spool_that_is_removed_is_told_and_begun_anew(tmp_path):
    said, spool = [], tmp_path / "spool"

    async def run():
        async with gateway(spool, LOCAL, said=said) as (port,):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            peer = writer.get_extra_info("sockname")[1]
            writer.write(message(1))
            await asyncio.sleep(0.1)
            shutil.rmtree(spool)
            writer.write(message(2))
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await send(port, message(3))
            await asyncio.sleep(0.1)
            (address,) = addresses_in(spool)
            assert not recovered(address, said.append)
            return peer

    peer = asyncio.run(run())
    assert numbers_of(stored(spool)) == [3]
    assert endings(spool) == [Kind.CLOSED]
    assert said == [
        f"the spool of the connection from 127.0.0.1:{peer} to {LOCAL} was removed: it is ended, "
        "and what it has sent since then is lost"
    ]


def test_what_cannot_be_listened_to_is_an_error_that_says_what_can(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match="in use; name an address of this machine and"):
            Gateway([Listener("127.0.0.1", port)], tmp_path, say=print).start()
    (tmp_path / "x.pem").write_text("no certificate")
    listener = Listener("127.0.0.1", 0, cert=str(tmp_path / "x.pem"))
    with pytest.raises(CannotListen, match=r"cannot use the certificate in .*x.pem: "):
        Gateway([listener], tmp_path, say=print).start()


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("/dev/null", "/dev/null is no folder; name a folder that can be written with --spool"),
        ("/proc/x", "No such file or directory; name a folder that can be written with --spool"),
    ],
)
def test_a_spool_that_cannot_be_a_folder_is_an_error_that_says_why(folder, words):
    with pytest.raises(CannotListen) as caught:
        Gateway(listeners_of([LOCAL]), Path(folder), say=print).start()
    assert str(caught.value) == f"cannot write the spool {folder}/tcp-127.0.0.1-0: {words}"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_no_byte_is_lost_while_no_more_files_may_be_open(tmp_path, monkeypatch, code):
    said, opened, open_really = [], [], writing._opened
    lacking = {"index": 2, "000000000000.log": 3}  # so often it cannot be opened

    def _opened(path):
        if lacking[path.name]:
            lacking[path.name] -= 1
            raise OSError(code, os.strerror(code))
        opened.append(path.name)
        return open_really(path)

    async def run():
        async with gateway(tmp_path, LOCAL, said=said) as (port,):
            monkeypatch.setattr(writing, "_opened", _opened)
            await send(port, message(1), message(2))
            await asyncio.sleep(1.5)
            assert not any(lacking.values())
            await send(port, message(3))

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == [1, 2, 3]
    assert endings(tmp_path) == [Kind.CLOSED] * 2
    assert sorted(opened) == ["000000000000.log"] * 2 + ["index"] * 2
    assert said == [
        f"the spool {tmp_path} cannot be written: {os.strerror(code)}; nothing is read from the "
        "connections until it can",
        f"the spool {tmp_path} can be written again, and connections are read",
    ]


def test_there_are_no_more_connections_than_open_files_suffice_for(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (70, 70))
    # The hard limit could not be raised again, and other tests run in this process.
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    async def run():
        async with gateway(tmp_path, LOCAL, said=said) as (port,):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            with suppress(OSError):
                await send(port, message(9))
            for number, (_, writer) in enumerate(held):
                writer.write(message(number))
                writer.close()
            await asyncio.sleep(0.1)
            await send(port, message(2))

    asyncio.run(run())
    assert numbers_of(stored(tmp_path)) == [0, 1, 2]
    assert said == [
        "1,000 connections need 3,064 open files, and this process may have 70: it takes 2 "
        "connections; raise that (ulimit -n), or lower max-connections",
        "refused 127.0.0.1: there are 2 connections already, and this process may have no more "
        f"open files for {LOCAL}; more are allowed with ulimit -n",
    ]
