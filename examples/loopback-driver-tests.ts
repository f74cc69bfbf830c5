// The tests that every driver must pass, on the driver of loopback-driver.ts. It ends by itself.
import { test } from 'node:test'
import { connectedPair, streamTests } from 'leveret/testing'
import { loopback } from './loopback-driver.js'

for (const { name, run } of streamTests({ driver: loopback, pair: connectedPair })) test(name, run)
