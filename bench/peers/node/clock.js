/** Microseconds of the Unix epoch. */
export const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1_000)
