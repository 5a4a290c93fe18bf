// Notes which tasks were started: see tally.rs for what a note looks like.
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { nowUs } from './clock.js'

const file = openSync(join(process.env.BENCH_TALLY, String(process.pid)), 'a')
const notes = Buffer.alloc(16 * 65_536)
let end = 0

function flush() {
  if (end > 0) writeSync(file, notes, 0, end)
  end = 0
}
setInterval(flush, 20)

/** Notes that task `number`, which the API took at `takenUs`, starts now. */
export function note(number, takenUs) {
  const now = nowUs()
  notes.writeBigUInt64LE(BigInt(now), end)
  notes.writeUInt32LE(number, end + 8)
  notes.writeUInt32LE(Math.min(Math.max(now - takenUs, 0), 0xffff_ffff), end + 12)
  end += 16
  if (end === notes.length) flush()
}
