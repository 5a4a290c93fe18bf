// Puts tasks in place, a thousand a statement: `fill.js COUNT`.
import { nowUs } from '../node/clock.js'
import { QUEUE, start } from './boss.js'

const BATCH = 1_000
const count = Number(process.argv[2])
const boss = await start()
for (let first = 0; first < count; first += BATCH) {
  const size = Math.min(BATCH, count - first)
  const takenUs = nowUs()
  await boss.insert(QUEUE, Array.from({ length: size }, (_, at) => ({ data: { text: String(first + at), takenUs } })))
}
await boss.stop({ graceful: true })
