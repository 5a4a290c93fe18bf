// The worker. One process with a concurrency of 100, within the 50 to 300 that its documentation has for short tasks:
// https://docs.bullmq.io/guide/parallelism-and-concurrency
import { Worker } from 'bullmq'

import { note } from '../node/tally.js'
import { connection, QUEUE } from './queue.js'

const echo = async ({ data }) => {
  note(Number(data.text), data.takenUs)
  return { text: data.text }
}

const worker = new Worker(QUEUE, echo, { connection, concurrency: 100 })
await worker.waitUntilReady()
console.log('ready')
