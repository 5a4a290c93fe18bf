// The API: tasks are checked and put into the queue, many of them by addBulk (https://docs.bullmq.io/guide/queues/adding-bulks).
// Completed jobs are kept with their results, as is the default; Fastify compiles its schemas and logs nothing, as is its.
import { Queue } from 'bullmq'
import Fastify from 'fastify'

import { nowUs } from '../node/clock.js'
import { connection, QUEUE } from './queue.js'

const queue = new Queue(QUEUE, { connection })
const fastify = Fastify({ bodyLimit: 8 * 1024 * 1024 })

const task = {
  type: 'object',
  required: ['kind', 'input'],
  additionalProperties: false,
  properties: {
    kind: { const: 'echo' },
    input: {
      type: 'object',
      required: ['text'],
      additionalProperties: false,
      properties: { text: { type: 'string', maxLength: 10_000 } },
    },
  },
}
const accepted = {
  type: 'object',
  properties: { id: { type: 'string' }, kind: { type: 'string' }, status: { type: 'string' } },
}
const answer = (job) => ({ id: job.id, kind: 'echo', status: 'queued' })

fastify.post('/api/v1/tasks', { schema: { body: task, response: { 202: accepted } } }, async (request, reply) => {
  const job = await queue.add('echo', { text: request.body.input.text, takenUs: nowUs() })
  reply.code(202)
  return answer(job)
})

const status = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    kind: { type: 'string' },
    status: { type: 'string' },
    output: { type: 'object', properties: { text: { type: 'string' } } },
  },
}
fastify.get('/api/v1/tasks/:id', { schema: { response: { 200: status } } }, async (request, reply) => {
  // One read of Redis: a job that has ended says so itself.
  const job = await queue.getJob(request.params.id)
  if (!job) return reply.code(404).send({})
  return { id: job.id, kind: 'echo', status: job.finishedOn ? 'completed' : 'active', output: job.returnvalue }
})

const many = {
  body: { type: 'array', maxItems: 1_000, items: task },
  response: { 202: { type: 'object', properties: { data: { type: 'array', items: accepted } } } },
}
fastify.post('/api/v1/tasks/batch', { schema: many }, async (request, reply) => {
  const takenUs = nowUs()
  const jobs = await queue.addBulk(
    request.body.map(({ input }) => ({ name: 'echo', data: { text: input.text, takenUs } })),
  )
  reply.code(202)
  return { data: jobs.map(answer) }
})

await queue.waitUntilReady()
await fastify.listen({ host: '127.0.0.1', port: Number(process.env.BENCH_PORT) })
