// A logger for errors only: what is said of each job would be measured too.
import { Logger } from 'graphile-worker'

export const silent = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(message)
})
