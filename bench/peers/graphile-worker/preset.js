// The settings of https://worker.graphile.org/docs/performance: a local queue, and ends that are written in batches.
export const preset = {
  worker: {
    connectionString: process.env.BENCH_DATABASE_URL,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
}
