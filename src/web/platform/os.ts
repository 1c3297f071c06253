/** A page is not told which networks its machine is on. */
export function networkInterfaces(): Record<string, never[]> {
  return {}
}
