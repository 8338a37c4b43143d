import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promise } from '../src/delivery.js'

const TODAY = new Date('2025-12-30T10:00:00Z')

test('standard is the carrier unless another is chosen', () => {
  assert.deepEqual(promise({ country: 'DE' }, TODAY), { carrier: 'Standard', days: 2, arrives: '2026-01-01' })
})

test('express is a day faster', () => {
  assert.equal(promise({ country: 'AT', carrier: 'express' }, TODAY).arrives, '2026-01-01')
})

test('today is left as it was', () => {
  promise({ country: 'CH' }, TODAY)
  assert.equal(TODAY.toISOString(), '2025-12-30T10:00:00.000Z')
})
