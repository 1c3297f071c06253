/** What the page needs of node:net. */
import { isIPv4, isIPv6 } from '@chainsafe/is-ip'
import { IpNet } from '@chainsafe/netmask'

export function isIP(text: string): 0 | 4 | 6 {
  return isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0
}

export class BlockList {
  private readonly nets: { family: string; net: IpNet }[] = []

  addSubnet(address: string, prefix: number, family: 'ipv4' | 'ipv6'): void {
    this.nets.push({ family, net: new IpNet(`${address}/${prefix}`) })
  }

  check(address: string, family: 'ipv4' | 'ipv6'): boolean {
    return this.nets.some(one => one.family === family && one.net.contains(address))
  }
}
