// What both processes need to know of the queue.
export const QUEUE = 'bench'

/** Workers must wait for as long as it takes: https://docs.bullmq.io/guide/connections */
export const connection = { path: process.env.BENCH_REDIS_SOCKET, db: 3, maxRetriesPerRequest: null }
