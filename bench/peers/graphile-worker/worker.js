// The worker. A job that is done is deleted: graphile-worker keeps no results.
import { run } from 'graphile-worker'

import { note } from '../node/tally.js'
import { preset } from './preset.js'
import { silent } from './silent.js'

const echo = async ({ text, takenUs }) => {
  note(Number(text), takenUs)
  return { text }
}

const quiet = { worker: { ...preset.worker, logger: silent } }
const runner = await run({ preset: quiet, taskList: { echo } })
console.log('ready')
await runner.promise
