import type { PageState } from './state.ts'

export function drawMap(): (state: PageState) => void {
  return () => {}
}
