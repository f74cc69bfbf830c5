/// <reference types="node" preserve="true" />
export { inject, type InjectedResponse, type InjectOptions, type StreamInjectOptions } from '../lib/web/inject/index.js'
export { networkTests } from './network-tests.js'
export { overTls, type DriverTest, type StreamSetup } from './setup.js'
export { streamTests } from './stream-tests.js'
export { connectedPair, readAll } from './streams.js'
export { failure, virtual } from './virtual.js'
