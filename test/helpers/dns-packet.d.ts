// the part of dns-packet that the test server uses; the package has no types
declare module 'dns-packet' {
  interface Question {
    name: string
    type: string
  }
  interface Answer extends Question {
    ttl: number
    data: string | string[]
  }
  interface Packet {
    type?: 'query' | 'response'
    id?: number
    flags?: number
    questions?: Question[]
    answers?: Answer[]
  }
  export function decode(bytes: Uint8Array): Packet
  export function encode(packet: Packet): Uint8Array
  export const RECURSION_AVAILABLE: number
}
