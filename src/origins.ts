import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addSubnet('::1', 128, 'ipv6')

/** What limits count as one host: an IPv4 address, or an IPv6 /56, which one customer of a provider holds whole. */
export function originOf(ip: string): string {
  const plain = plainIp(ip)
  if (isIP(plain) !== 6) return plain
  const [head = '', tail] = plain.split('::')
  const first = groupsOf(head)
  const last = groupsOf(tail ?? '')
  const all = [...first, ...Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0), ...last]
  const [a = 0, b = 0, c = 0, d = 0] = all
  return `${[a, b, c, d & 0xff00].map(group => group.toString(16)).join(':')}::/56`
}

export function isLoopback(ip: string): boolean {
  const plain = plainIp(ip)
  return loopback.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
}

/** An IPv4 peer of a socket that listens on both families as such; without the interface of a link-local one. */
function plainIp(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

function groupsOf(text: string): number[] {
  return text === ''
    ? []
    : text.split(':').flatMap(group => (group.includes('.') ? [0, 0] : Number.parseInt(group, 16)))
}
