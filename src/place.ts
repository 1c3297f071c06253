/** Where a TCP connection begins or ends: a host and a port, or a socket file. */
import { isIPv6, type Socket, type TcpSocketConnectOpts, type IpcSocketConnectOpts } from 'node:net'
import { resolve } from 'node:path'
import { Failure } from './errors.ts'
import { safe } from './safe.ts'

export type Place = { host: string; port: number } | { path: string }

/** `5432` (of 127.0.0.1), `host:port`, `[::1]:port`, or the path of a socket, which has a slash. Throws Failure. */
export function parsePlace(text: string, option: string): Place {
  const wrong = (hint: string): Failure =>
    new Failure('invalid_option', `${option} ${safe(text)} is no address of a TCP port`, { hint })
  if (/^\/(ip4|ip6|dns|dns4|dns6|unix)\//.test(text)) throw wrong('write it as 127.0.0.1:8080, not as a multiaddr')
  if (/^\.{0,2}\//.test(text)) return { path: resolve(text) }
  const match = /^(?:(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([\w.-]+)):)?(\d{1,5})$/.exec(text)
  const [, v6, name, digits] = match ?? []
  const port = Number(digits)
  if (match == null || port > 65_535 || (v6 != null && !isIPv6(v6))) {
    throw wrong('write host:port, [IPv6]:port, a port of 127.0.0.1, or the path of a socket')
  }
  return { host: v6 ?? name ?? '127.0.0.1', port }
}

export function placeText(place: Place): string {
  return 'path' in place ? place.path : hostPort(place.host, place.port)
}

/** Of the other end of a TCP connection; a socket file has no name there. */
export function remoteOf({ remoteAddress, remotePort }: Socket): string | null {
  return remoteAddress == null || remotePort == null ? null : hostPort(remoteAddress, remotePort)
}

export function connectOptions(place: Place): TcpSocketConnectOpts | IpcSocketConnectOpts {
  return 'path' in place ? { path: place.path } : { ...place }
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
