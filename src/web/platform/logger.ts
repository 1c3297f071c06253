/** In a page libp2p's own is asked for with localStorage. */
export function quietUnlessAsked(): Record<string, never> {
  return {}
}
