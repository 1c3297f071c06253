// the part of dns-packet that is used here; the package has no types
declare module 'dns-packet' {
  interface Question {
    name: string
    type: string
  }
  interface Answer extends Question {
    ttl?: number
    /** Of a TXT record that was decoded, its strings as bytes. */
    data: string | Uint8Array | (string | Uint8Array)[]
  }
  interface Packet {
    type?: 'query' | 'response'
    id?: number
    flags?: number
    questions?: Question[]
    answers?: Answer[]
    additionals?: Answer[]
  }
  interface Service extends Question {
    ttl?: number
    data: { target: string; port: number }
  }
  interface Outgoing extends Omit<Packet, 'additionals'> {
    additionals?: (Answer | Service)[]
  }
  export function decode(bytes: Uint8Array): Packet
  export function encode(packet: Outgoing): Uint8Array
  export const RECURSION_AVAILABLE: number
  export const AUTHORITATIVE_ANSWER: number
  export const TRUNCATED_RESPONSE: number
}
