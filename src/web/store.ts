import { reduce } from './ui/reduce.ts'
import { type Happened, type PageState, START } from './ui/state.ts'

export interface Store {
  readonly state: PageState
  happen(event: Happened): void
  /** Is called after each change. */
  watch(changed: (state: PageState) => void): void
}

export function createStore(): Store {
  let state = START
  const watchers: ((state: PageState) => void)[] = []
  return {
    get state() {
      return state
    },
    happen(event) {
      const next = reduce(state, event, new Date())
      if (next === state) return
      state = next
      for (const changed of watchers) changed(state)
    },
    watch: changed => void watchers.push(changed)
  }
}
