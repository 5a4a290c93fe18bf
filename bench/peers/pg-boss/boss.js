// What both programs need to know of the queue.
import { PgBoss } from 'pg-boss'

export const QUEUE = 'bench'

/** A started instance, with the queue in place. */
export async function start() {
  const boss = new PgBoss({ connectionString: process.env.BENCH_DATABASE_URL, schedule: false })
  boss.on('error', console.error)
  await boss.start()
  await boss.createQueue(QUEUE)
  return boss
}
