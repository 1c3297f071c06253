export const svgOf = (_: Chart): string => ''
export interface Sample {
  seq: number
  at_ms: number
  rtt_ms: number | null
  fate: 'reply' | 'stalled' | 'late' | 'lost' | 'failed'
}
export interface Chart {
  title: string
  startedAt: Date
  samples: Sample[]
}
