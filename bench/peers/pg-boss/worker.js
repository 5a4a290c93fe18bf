// The worker. It fetches batches, goes on at once while they are full, and records a result for each job:
// https://pgboss.io/api/workers (batchSize, burstWhenBatchFull, localConcurrency, perJobResults).
import { note } from '../node/tally.js'
import { QUEUE, start } from './boss.js'

const echo = ({ id, data }) => {
  note(Number(data.text), data.takenUs)
  return { id, status: 'completed', output: { text: data.text } }
}

const boss = await start()
const options = {
  batchSize: 500,
  localConcurrency: Number(process.env.BENCH_CORES),
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5,
  perJobResults: true,
}
await boss.work(QUEUE, options, async (jobs) => jobs.map(echo))
console.log('ready')
