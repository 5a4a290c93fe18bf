// Puts tasks in place, a thousand a call: `fill.js COUNT`.
import { makeWorkerUtils } from 'graphile-worker'

import { nowUs } from '../node/clock.js'
import { preset } from './preset.js'

const BATCH = 1_000
const count = Number(process.argv[2])
const utils = await makeWorkerUtils({ preset })
await utils.migrate()
for (let first = 0; first < count; first += BATCH) {
  const size = Math.min(BATCH, count - first)
  const takenUs = nowUs()
  const job = (_, at) => ({ identifier: 'echo', payload: { text: String(first + at), takenUs } })
  await utils.addJobs(Array.from({ length: size }, job))
}
await utils.release()
