"""A py-libp2p host for p2pctl's interoperability rows: it listens and answers pings, or pings an address. Its lines are JSON."""

import argparse
import importlib.metadata
import json
import sys

import multiaddr
import trio

from libp2p import new_host
from libp2p.host.ping import PingService
from libp2p.peer.peerinfo import info_from_p2p_addr


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


async def wait_for_the_end_of_stdin() -> None:
    await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def main(options: argparse.Namespace) -> None:
    listen = [multiaddr.Multiaddr(options.listen)]
    over = options.listen.rsplit("/", 1)[-1]
    host = new_host(
        muxer_preference=options.muxer,
        listen_addrs=listen,
        enable_quic=over == "quic-v1",
        enable_websocket=over == "ws",
    )
    async with host.run(listen_addrs=listen), trio.open_nursery() as nursery:
        nursery.start_soon(host.get_peerstore().start_cleanup_task, 60)
        addrs = [str(addr) for addr in host.get_addrs()]
        say(event="ready", addrs=addrs, peer=str(host.get_id()), version=importlib.metadata.version("libp2p"))
        if options.ping is None:
            await wait_for_the_end_of_stdin()
        else:
            info = info_from_p2p_addr(multiaddr.Multiaddr(options.ping))
            with trio.fail_after(20):
                await host.connect(info)
                say(event="pinged", rtts_ms=await PingService(host).ping(info.peer_id, options.count))
        nursery.cancel_scope.cancel()


parser = argparse.ArgumentParser()
parser.add_argument("--listen", default="/ip4/127.0.0.1/tcp/0")
parser.add_argument("--muxer", choices=["YAMUX", "MPLEX"], default="YAMUX")
parser.add_argument("--ping")
parser.add_argument("--count", type=int, default=3)
trio.run(main, parser.parse_args())
